import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, it } from 'vitest';
import { type Addr, at } from '../../src/memory/address.ts';
import { ORACLE } from '../../src/oracles/names.ts';
import { submit } from '../../src/oracles/report.ts';
import { VIOLATION } from '../../src/oracles/view.ts';
import { rawAdd, rawNotify } from '../../src/sync/atomics.ts';
import { createBell } from '../../src/torture/bell.ts';
import { closeCells, runCell } from '../../src/torture/cell.ts';
import type { Run } from '../../src/torture/run.ts';
import { watchCell } from '../../src/torture/watch.ts';
import { hrtimeMs } from '../../src/trace/clock.ts';
import { planOf, quietWorld } from './dumped.ts';

afterAll(() => closeCells());

const WORD = 16 as Addr;
const words = (): Int32Array<SharedArrayBuffer> => new Int32Array(new SharedArrayBuffer(256));
const turns = async (n: number): Promise<void> => {
  for (let i = 0; i < n; i++) await new Promise((resolve) => setImmediate(resolve));
};

describe('a bell', () => {
  it('rings when another thread adds to its word, and nothing else wakes who listens', async () => {
    const mem = words();
    const bell = createBell(mem, WORD);
    const adding = `const { workerData } = require('node:worker_threads');
      const mem = new Int32Array(workerData);
      Atomics.wait(mem, 0, 0, 20);
      Atomics.add(mem, ${WORD}, 1);
      Atomics.notify(mem, ${WORD}, 1);`;
    for (let i = 0; i < 3; i++) {
      const worker = new Worker(adding, { eval: true, workerData: mem.buffer });
      // Without a ring this never ends.
      await new Promise<void>((ring) => bell.listen(ring));
      expect(bell.isRung()).toBe(true);
      bell.look();
      expect(bell.isRung()).toBe(false);
      await worker.terminate();
    }
    bell.close();
  });

  it('rings for what was added between the look and the listening', async () => {
    const mem = words();
    const bell = createBell(mem, WORD);
    rawAdd(mem, WORD, 1);
    await new Promise<void>((ring) => bell.listen(ring));
    bell.close();
  });

  it('rings once for each listening, and no more after it was closed', async () => {
    const mem = words();
    const bell = createBell(mem, WORD);
    let rings = 0;
    const add = async (): Promise<void> => {
      rawAdd(mem, WORD, 1);
      rawNotify(mem, WORD, 1);
      await turns(5);
    };
    bell.listen(() => rings++);
    await add();
    await add();
    expect(rings).toBe(1);
    bell.look();
    bell.listen(() => rings++);
    bell.close();
    await add();
    expect(rings).toBe(1);
  });

  it('never rings where the engine cannot wait; the look still tells', () => {
    const mem = words();
    const bell = createBell(mem, WORD, undefined);
    bell.listen(() => expect.unreachable());
    rawAdd(mem, WORD, 1);
    expect(bell.isRung()).toBe(true);
    bell.close();
  });

  it('leaves no waiter behind, however many there were', async () => {
    const mem = words();
    for (let i = 0; i < 5000; i++) {
      const bell = createBell(mem, WORD);
      for (let look = 0; look < 3; look++) {
        bell.look();
        bell.listen(() => {});
      }
      bell.close();
      if (i % 100 === 0) await turns(2);
    }
    expect(rawNotify(mem, WORD, Number.POSITIVE_INFINITY)).toBe(0);
  });
});

describe('a process', () => {
  const BELL = fileURLToPath(new URL('../../src/torture/bell.js', import.meta.url));
  const run = (code: string, ...flags: readonly string[]): Promise<{ out: string; killed: boolean }> =>
    new Promise((resolve, reject) => {
      const child = execFile(
        process.execPath,
        [...flags, '--input-type=module', '-e', code],
        { timeout: 30_000 },
        (error, stdout) => {
          if (error !== null && child.exitCode !== 0 && !child.killed) reject(error);
          else resolve({ out: stdout.trim(), killed: child.killed });
        },
      );
    });

  it('ends although somebody listens', async () => {
    const code = `import { createBell } from '${BELL}';
      createBell(new Int32Array(new SharedArrayBuffer(256)), 16).listen(() => {});
      console.log('listening');`;
    expect(await run(code)).toEqual({ out: 'listening', killed: false });
  });

  it('keeps the memory of none of thousands of bells that were closed', async () => {
    const code = `import { createBell } from '${BELL}';
      let freed = 0;
      const registry = new FinalizationRegistry(() => freed++);
      const turn = () => new Promise((resolve) => setImmediate(resolve));
      for (let i = 0; i < 3000; i++) {
        const buffer = new SharedArrayBuffer(65536);
        registry.register(buffer);
        const bell = createBell(new Int32Array(buffer), 16);
        bell.listen(() => {});
        bell.close();
        if (i % 50 === 0) { await turn(); gc(); }
      }
      for (let i = 0; i < 20 && freed < 2990; i++) { await turn(); gc(); }
      console.log(freed > 2900 ? 'freed' : freed);`;
    expect(await run(code, '--expose-gc')).toEqual({ out: 'freed', killed: false });
  });
});

describe('a cell', () => {
  it('rings the bell of the main thread with each record, after that is ready', async () => {
    const world = quietWorld(planOf('private-count'));
    const { mem, oracles } = world;
    const bell = createBell(mem, oracles.submitted);
    const rung = new Promise<void>((ring) => bell.listen(ring));
    submit(oracles, oracles.slots);
    await rung;
    expect(mem[oracles.submitted]).toBe(1);
    bell.close();
  });

  it('takes the arena for a record that is handed over while others are written down, before the next of those', async () => {
    const world = quietWorld(planOf('private-count'));
    const { mem, f64, oracles } = world;
    // A word of the model, for what the threads do meanwhile.
    const word = world.mm.mms[0]!.mmapLock;
    const handOver = (n: number): void => {
      const slot = at(oracles.slots, n * oracles.slotStride);
      mem.fill(-1, slot, slot + VIOLATION.$words);
      const fields = {
        oracle: ORACLE['stale-dma'],
        nth: n === 1 ? 2 : 1,
        tid: 0,
        point: 0,
        chainLength: 0,
        heldLength: 0,
      };
      for (const [name, value] of Object.entries(fields)) mem[slot + VIOLATION[name as keyof typeof fields]] = value;
      f64[(slot + VIOLATION.time) >>> 1] = n;
      submit(oracles, slot);
    };
    const run: Run = {
      ...{
        startedAt: performance.now(),
        epochMs: hrtimeMs(),
        fault: null,
        stack: null,
        supervisor: null,
        ended: false,
      },
      wake: () => {},
    };
    const seen: number[] = [];
    handOver(0);
    handOver(1);
    await watchCell(
      run,
      world,
      {
        violation({ atMs }, take) {
          seen.push(atMs);
          if (atMs === 0) handOver(2);
          mem[word] = seen.length;
          if (atMs < 2) return;
          expect(take!()!.words[word]).toBe(1);
          run.ended = true;
          run.wake();
        },
        progress: () => {},
        log: () => {},
      },
      new AbortController().signal,
      60_000,
    );
    expect(seen).toEqual([0, 1, 2]);
  });

  it('is looked after by a bell of its own: one after the other, on the same threads and arena', async () => {
    // Its order is forced, so that each finds something.
    const plan = planOf('private-count', 'litmus/seed-madvise-around-register');
    for (let i = 0; i < 3; i++) {
      const taken: number[] = [];
      await runCell(
        plan,
        {
          violation(record, take) {
            const image = record.nth === 1 ? take!() : null;
            if (image !== null) taken.push(image.takenAtMs - record.atMs);
          },
          progress: () => {},
          log: () => {},
        },
        new AbortController().signal,
      );
      expect(taken.length).toBeGreaterThan(0);
      for (const late of taken) expect(late).toBeGreaterThanOrEqual(0);
    }
  });
});
