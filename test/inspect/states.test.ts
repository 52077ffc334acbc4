import { rmSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { inspectCommand } from '../../src/cli/inspect.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { ENTRY_VALID, ENTRY_WRITE, MKEY, makeEntry, makeKey, mkeyAddr } from '../../src/hca/device.ts';
import { entryAddr } from '../../src/hca/device-page-table.ts';
import { inspectLocks } from '../../src/inspect/locks.ts';
import { openPostMortem, type PostMortem } from '../../src/inspect/post-mortem.ts';
import { inspectRange } from '../../src/inspect/range.ts';
import { inspectRings } from '../../src/inspect/rings.ts';
import { inspectSections } from '../../src/inspect/sections.ts';
import { inspectThreads } from '../../src/inspect/threads.ts';
import { inspectUmems } from '../../src/inspect/umems.ts';
import { at, type Pfn } from '../../src/memory/address.ts';
import { FRAME, frameAddr } from '../../src/mm/frame.ts';
import { makePte, PTE } from '../../src/mm/page-table.ts';
import { MM_TASK, mmTaskAddr, SECTION, SECTION_EVENT, sectionAddr } from '../../src/mm/section.ts';
import { INTERVAL_NODE } from '../../src/odp/interval-tree.ts';
import { umemAddr } from '../../src/odp/ucontext.ts';
import { UMEM, umemExt, umemMutex } from '../../src/odp/umem.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { RUNNING } from '../../src/strategies/running-count.ts';
import { LOCK_CLASS } from '../../src/sync/lock-class.ts';
import { mutexInit, mutexLock } from '../../src/sync/mutex.ts';
import { downRead } from '../../src/sync/rw-semaphore.ts';
import { createTask, publishWait, type Task, WAIT } from '../../src/sync/task.ts';
import { PARK_FINISHED } from '../../src/trace/park.ts';
import { POINT } from '../../src/trace/points.ts';
import { lastRecordTime, ringWrite } from '../../src/trace/ring.ts';
import type { World } from '../../src/world/world.ts';
import { dumped, freshFolder, planOf, quietWorld } from './dumped.ts';

let root: string;
let folder: string;
let p: PostMortem;
let world: World;
const UMEM_INDEX = 3;
const KEY = makeKey(UMEM_INDEX, 2);

/** A state as a race leaves it, put together word by word: what each view must say of it is known. */
beforeAll(async () => {
  root = freshFolder();
  world = quietWorld(planOf('private-count'));
  const { mem, f64, mm, hca } = world;
  const task = (tid: number): Task => createTask(mem, tid, world.taskAddr(tid));
  const space = mm.mms[0]!;
  const passed = (
    tid: number,
    time: number,
    op: number,
    point: keyof typeof POINT,
    a: number,
    b: number,
    c = 0,
  ): void => {
    const { ringMask } = world.oracles;
    ringWrite(mem, f64, world.ringHead(tid), world.ring(tid), ringMask, POINT[point], a, b, c, op);
    f64[lastRecordTime(mem, world.ringHead(tid), world.ring(tid), ringMask)] = time;
  };

  // madvise-0 is in a section, and holds the mmap lock and the umem's mutex; madvise-1 waits for that.
  downRead(task(0), space.mmapLock);
  mutexInit(mem, umemMutex(umemAddr(world.contexts[0]!, UMEM_INDEX)), LOCK_CLASS.umem_mutex);
  mutexLock(task(0), umemMutex(umemAddr(world.contexts[0]!, UMEM_INDEX)));
  publishWait(task(1), WAIT.mutex, umemMutex(umemAddr(world.contexts[0]!, UMEM_INDEX)), 0, false);
  mem[world.parkWords[2]!] = PARK_FINISHED;
  passed(0, 90, 6, 'madvise.enter', 1, 2);
  passed(0, 99, 7, 'madvise.enter', 4, 6);
  passed(0, 99.5, 7, 'section.started', 4, 6, 1);
  mem[mmTaskAddr(mm, 0) + MM_TASK.stack] = 1;
  const section = sectionAddr(mm, 0, 0);
  f64[(section + SECTION.startedAt) >>> 1] = 99.25;
  mem[section + SECTION.start] = 4;
  mem[section + SECTION.last] = 6;
  mem[section + SECTION.event] = SECTION_EVENT.clear;
  mem[section + SECTION.startedMask] = 1;

  // Umem 3 covers pages 4 .. 9; its count is -1; page 4 has the CPU's frame, page 5 another one, page 6 one that was freed since.
  const umem = umemAddr(world.contexts[0]!, UMEM_INDEX);
  mem[world.contexts[0]!.slab.states + UMEM_INDEX] = 1;
  mem[umem + INTERVAL_NODE.start] = 4;
  mem[umem + INTERVAL_NODE.last] = 9;
  mem[umem + UMEM.dying] = 1;
  mem[umemExt(umem) + RUNNING.count] = -1;
  mem[umemExt(umem) + RUNNING.seq] = 8;
  const mkey = mkeyAddr(hca, UMEM_INDEX);
  mem[mkey + MKEY.key] = KEY;
  mem[mkey + MKEY.start] = 4;
  mem[mkey + MKEY.pages] = 6;
  for (const [page, cpu, device, generation] of [
    [4, 10, 10, 2],
    [5, 11, 12, 2],
    [6, 13, 13, 1],
  ] as const) {
    mem[space.pte + page] = makePte(cpu as Pfn, PTE.present | PTE.write);
    mem[space.identityOf + page] = page + 100;
    for (const frame of [cpu, device]) mem[frameAddr(mm.frames, frame as Pfn) + FRAME.generation] = 2;
    mem[entryAddr(hca, UMEM_INDEX, page - 4)] = makeEntry(device as Pfn, generation, ENTRY_VALID | ENTRY_WRITE);
  }
  folder = await dumped(root, world, { umem: UMEM_INDEX, range: { start: 4, last: 7 } });
  p = openPostMortem(folder);
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('the views', () => {
  it('threads: what each waits for and holds, since which operation', () => {
    const [first, second, third] = inspectThreads(p);
    expect(first).toMatchObject({
      ...{ name: 'madvise-0', role: 'madvise', state: 'runs', waitsFor: null },
      holds: [
        { name: 'mmap_lock', mode: 'read' },
        { name: 'umem 3 mutex', mode: 'mutex' },
      ],
      op: { number: 7, first: 'madvise.enter [4..6]', firstAtMs: 99 },
      last: { point: 'section.started [4..6] section=1', atMs: 99.5 },
    });
    expect(second).toMatchObject({
      ...{ name: 'madvise-1', state: 'waits', holds: [], op: null },
      waitsFor: { kind: 'mutex', name: 'umem 3 mutex', class: 'umem_mutex', on: ['madvise-0 (mutex)'], timed: false },
    });
    expect(third).toMatchObject({ name: 'madvise-2', state: 'finished' });
  });

  it('locks: those that are not free, with holders and waiters', () => {
    expect(inspectLocks(p)).toEqual([
      {
        addr: world.mm.mms[0]!.mmapLock,
        name: 'mmap_lock',
        class: 'mmap_lock',
        kind: 'rwsem',
        state: '1 reader',
        holders: ['madvise-0 (read)'],
        waiters: [],
      },
      {
        addr: umemMutex(umemAddr(world.contexts[0]!, UMEM_INDEX)),
        ...{
          name: 'umem 3 mutex',
          class: 'umem_mutex',
          kind: 'mutex',
          state: 'held',
          holders: ['madvise-0'],
          waiters: ['madvise-1'],
        },
      },
    ]);
  });

  it("umems: with the strategy's own words by name", () => {
    expect(inspectUmems(p).umems).toEqual([
      {
        ...{ index: 3, key: KEY, mm: 0, start: 4, last: 9, inTree: false, dying: true, users: 0, life: 0 },
        entries: { valid: 3, pinned: 0, pages: 6 },
        own: { count: -1, seq: 8, completion: [0, 0, 0] },
      },
    ]);
  });

  it('range: both tables side by side, and where they part', () => {
    const pages = inspectRange(p, 0, 3, 7);
    expect(
      pages.map(({ page, cpu, device }) => [page, cpu?.frame ?? null, device.map(({ verdict }) => verdict)]),
    ).toEqual([
      [3, null, []],
      [4, 10, ['same']],
      [5, 11, ['differs']],
      [6, 13, ['stale']],
      [7, null, ['none']],
    ]);
    expect(pages[1]!.cpu).toEqual({ frame: 10, generation: 2, flags: ['write'], identity: 'anonymous page #104' });
    expect(pages[3]!.device[0]).toMatchObject({
      umem: 3,
      frame: 13,
      generation: 1,
      generationNow: 2,
      flags: ['write'],
    });
  });

  it('sections and rings', () => {
    expect(inspectSections(p)).toMatchObject([
      { thread: 'madvise-0', level: 0, start: 4, last: 6, event: 'clear', startedAtMs: 99.25, told: [0], own: [] },
    ]);
    expect(inspectRings(p, 2, 'madvise-0')).toEqual([
      {
        ...{ tid: 0, name: 'madvise-0', written: 3 },
        points: [
          { timeMs: 99, op: 7, point: 'madvise.enter', args: [4, 6, 0] },
          { timeMs: 99.5, op: 7, point: 'section.started', args: [4, 6, 1] },
        ],
      },
    ]);
  });
});

describe('odptorture inspect', () => {
  async function inspect(given: readonly string[], width = 110, json = false, mm?: number): Promise<string> {
    const lines: string[] = [];
    const terminal = {
      out: (line: string) => lines.push(line),
      err: () => {},
      env: {},
      cwd: '/',
      outIsTty: false,
      errIsTty: false,
      width,
    };
    const flags = { last: 16, json, color: 'auto' as const, ...(mm === undefined ? {} : { mm }) };
    expect(await inspectCommand(folder, given, flags, terminal as unknown as Terminal)).toBe(0);
    return lines.join('\n');
  }

  it('without a topic: what was found, and the state of all', async () => {
    const text = await inspect([]);
    expect(text).toContain('counter-underflow of private-count in seed seed=42, noticed by madvise-0 at 100.000 ms');
    expect(text).toContain('the arena as it was 20.000 ms later, at 120.000 ms');
    expect(text).toContain('madvise-1: waits for umem 3 mutex (mutex, @');
    expect(text).toContain('held by madvise-0 (mutex)');
    expect(text).toMatch(/^madvise-0 +\[4\.\.6\] +clear +0 +20\.750 ms before +0$/m);
    expect(text).toMatch(/^> +3 +0x200003 +\[4\.\.9\] +3\/6 +0 +not in tree, dying +count=-1 seq=8 completion=\[0\]$/m);
  });

  it('range: of the violation, or as given', async () => {
    const own = await inspect(['range'], 200);
    expect(own).toMatch(
      /^ +6 +- +frame 13 gen 2 write +anonymous page #106 +3 +frame 13 gen 1 write .*STALE: freed since, the frame is at gen 2$/m,
    );
    expect(own).toMatch(/^ +5 .*DIFFERS from the CPU$/m);
    expect(own).not.toMatch(/^ +8 /m);
    expect((await inspect(['range', '8..9'])).split('\n').slice(-2)).toEqual([
      expect.stringMatching(/^ +8 /),
      expect.stringMatching(/^ +9 /),
    ]);
  });

  it('no table is wider than the terminal', async () => {
    for (const topic of ['threads', 'locks', 'umems', 'range', 'sections', 'words'])
      for (const line of (await inspect([topic], 80)).split('\n')) expect(line.length).toBeLessThanOrEqual(80);
  });

  it('words by region, object or address, with their names', async () => {
    const count = umemExt(umemAddr(world.contexts[0]!, UMEM_INDEX)) + RUNNING.count;
    expect(await inspect(['words', String(count)])).toMatch(
      new RegExp(`^ *${count} +-1 +0xffffffff +umem 3 count$`, 'm'),
    );
    expect(await inspect(['words', 'odp.umem', '3'])).toContain('umem 3 count');
    expect(await inspect(['words'])).toMatch(/^oracle\.slots .*not in the dump$/m);
    const { words } = JSON.parse(
      await inspect(
        ['words', `${count}..${at(umemExt(umemAddr(world.contexts[0]!, UMEM_INDEX)), RUNNING.seq)}`],
        80,
        true,
      ),
    ) as { words: unknown };
    expect(words).toMatchObject([
      { name: 'umem 3 count', value: -1 },
      { name: 'umem 3 seq', value: 8 },
    ]);
  });

  it('--json holds what is printed', async () => {
    const all = JSON.parse(await inspect([], 80, true)) as Record<string, unknown>;
    expect(Object.keys(all)).toEqual([
      'schemaVersion',
      'folder',
      'version',
      'violation',
      'takenAtMs',
      'copyMs',
      'threads',
      'locks',
      'sections',
      'umems',
    ]);
    expect(all.umems).toEqual(JSON.parse(JSON.stringify(inspectUmems(p))));
  });

  it.each([
    [['thread']],
    [['range', '9..4']],
    [['range', '0..48']],
    [['range', 'all']],
    [['rings', 'nobody']],
    [['words', 'odp.umen']],
    [['words', 'odp.umem', '9999']],
    [['words', '0..100000']],
    [['words', '99999999']],
  ])('%j is refused', async (given) => {
    await expect(inspect(given)).rejects.toThrow(OdpError);
    await expect(inspect(given)).rejects.toThrow(/^ODP_E_USAGE/);
  });
});
