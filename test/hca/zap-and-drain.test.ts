import { describe, expect, it } from 'vitest';
import { accessAddr, entryFrame, keyIndex } from '../../src/hca/device.ts';
import { accessBegin, accessEnd, deviceZap } from '../../src/hca/device-page-table.ts';
import { frameGeneration } from '../../src/mm/frame.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { WAIT } from '../../src/sync/task.ts';
import { gateArm, gatePass } from '../../src/trace/gate.ts';
import { POINT } from '../../src/trace/points.ts';
import { type Bed, counter, createBed, entryOf, faultOnce, fired, register, touch } from '../oracles/fixture.ts';
import { NO_DRAIN } from '../oracles/planted.ts';
import { startThread, type Thread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;

function mapped(strategy: Strategy): { bed: Bed; key: number } {
  const bed = createBed(strategy);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  expect(faultOnce(bed, T3, key, 1)).toBe(OUTCOME.ok);
  return { bed, key };
}

/** A device access on a real thread that has translated and waits, as at a slow bus, until `go` is called. */
async function inAccess(bed: Bed, key: number, body: (dma: Thread, go: () => void) => Promise<void>): Promise<void> {
  const { mem, gate } = bed.world;
  gateArm(mem, gate, [
    { tid: bed.supervisor.tid, point: POINT['verb.begin'] },
    { tid: T4, point: POINT['dma.translated'] },
  ]);
  const dma = startThread(bed, T4, [['dma', key, 1, 0]]);
  await withThreads([dma], async () => {
    await dma.sleepsIn(WAIT.gate);
    await body(dma, () => gatePass(bed.supervisor, gate, 0));
  });
}

describe('an access that has translated before the zap', () => {
  it.each([
    contextCount,
    intervalNotifier,
  ])('is waited for under $name, and the page is not freed before', async (strategy) => {
    const { bed, key } = mapped(strategy);
    const { frames } = bed.world.mm;
    const frame = entryFrame(entryOf(bed, key, 1));
    const generation = frameGeneration(bed.supervisor, frames, frame);
    await inAccess(bed, key, async (dma, go) => {
      const zapper = startThread(bed, T1, [['madvise', 5, 5]]);
      await withThreads([zapper], async () => {
        await zapper.sleepsIn(WAIT.drain);
        expect(entryOf(bed, key, 1)).toBe(0);
        expect(frameGeneration(bed.supervisor, frames, frame)).toBe(generation);
        expect([zapper.done(), dma.done()]).toEqual([0, 0]);
        go();
        expect(await dma.ended).toEqual([OUTCOME.ok]);
        expect(await zapper.ended).toEqual([OUTCOME.ok]);
        expect(frameGeneration(bed.supervisor, frames, frame)).toBe(generation + 1);
        expect(counter(bed, 'exposure.dmaDuringZap')).toBe(1);
        expect(fired(bed)).toEqual({});
      });
    });
  });

  it('reaches a freed page where nobody waits for it, and stale-dma says so', async () => {
    const { bed, key } = mapped(NO_DRAIN);
    await inAccess(bed, key, async (dma, go) => {
      const zapper = startThread(bed, T1, [['madvise', 5, 5]]);
      await withThreads([zapper], async () => {
        expect(await zapper.ended).toEqual([OUTCOME.ok]);
        expect(dma.done()).toBe(0);
        go();
        expect(await dma.ended).toEqual([OUTCOME.ok]);
        expect(fired(bed)).toEqual({ 'stale-dma': 1, 'data-corruption': 1 });
      });
    });
  });
});

describe('a zap', () => {
  it('waits for the accesses of its moment, not for those that begin later', async () => {
    const { bed, key } = mapped(contextCount);
    const actor = bed.actors[T4]!;
    const running = accessBegin(actor, bed.world.hca, keyIndex(key));
    const zapper = startThread(bed, T1, [['zap', keyIndex(key), 0, 3]]);
    await withThreads([zapper], async () => {
      await zapper.sleepsIn(WAIT.drain);
      accessEnd(actor, running);
      // The next access of the same thread to the same key begins at once, and never ends.
      accessBegin(actor, bed.world.hca, keyIndex(key));
      expect(await zapper.ended).toEqual([1]);
    });
  });

  it('does not wait for accesses to other keys', async () => {
    const { bed, key } = mapped(contextCount);
    accessBegin(bed.actors[T4]!, bed.world.hca, keyIndex(key) + 1);
    const zapper = startThread(bed, T1, [['zap', keyIndex(key), 0, 3]]);
    await withThreads([zapper], async () => expect(await zapper.ended).toEqual([1]));
  });

  it('waits for nothing when there was nothing to clear', async () => {
    const { bed, key } = mapped(contextCount);
    accessBegin(bed.actors[T4]!, bed.world.hca, keyIndex(key));
    const zapper = startThread(bed, T1, [['zap', keyIndex(key), 2, 3]]);
    await withThreads([zapper], async () => expect(await zapper.ended).toEqual([0]));
  });

  it('waits for every thread that is in an access', async () => {
    const { bed, key } = mapped(contextCount);
    const begin = (tid: number) => accessBegin(bed.actors[tid]!, bed.world.hca, keyIndex(key));
    const end = (tid: number) => accessEnd(bed.actors[tid]!, accessAddr(bed.world.hca, 0, tid));
    for (const tid of [T2, T3, T4]) begin(tid);
    const zapper = startThread(bed, T1, [['zap', keyIndex(key), 0, 3]]);
    await withThreads([zapper], async () => {
      await zapper.sleepsIn(WAIT.drain);
      end(T2);
      end(T4);
      await zapper.sleepsIn(WAIT.drain);
      expect(zapper.done()).toBe(0);
      end(T3);
      expect(await zapper.ended).toEqual([1]);
    });
  });

  it('does not wait for its own thread', () => {
    const { bed, key } = mapped(contextCount);
    const actor = bed.actors[T1]!;
    accessBegin(actor, bed.world.hca, keyIndex(key));
    expect(deviceZap(actor, bed.world.hca, keyIndex(key), 0, 3, false)).toBe(1);
  });
});
