import { describe, expect, it } from 'vitest';
import type { Vpn } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { WAIT } from '../../src/sync/task.ts';
import {
  auditOf,
  type Bed,
  counter,
  createBed,
  deregister,
  entryOf,
  faultOnce,
  fired,
  madvise,
  passedBy,
  pointsOf,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
  umemOf,
} from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const COUNT = 'running count of the process';

/** A region over pages 4 .. 7 of which the device can reach page 5. */
function mapped(): { bed: Bed; key: number } {
  const bed = createBed(contextCount);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  faultOnce(bed, T3, key, 1);
  return { bed, key };
}
const sample = (bed: Bed): number => contextCount.faultBegin(bed.actors[T3]!, bed.ctx, umemOf(bed, 0));
const check = (bed: Bed, value: number): boolean =>
  contextCount.faultCheck(bed.actors[T3]!, bed.ctx, umemOf(bed, 0), value, 5 as Vpn);

describe('context-count', () => {
  it('counts a section before it looks at the tree', () => {
    const { bed } = mapped();
    let counted = 0;
    bed.at(T1, 'umem.zapped', () => {
      counted = auditOf(bed)[COUNT]!;
    });
    sectionStart(bed, T1, 5, 6);
    expect(counted).toBe(1);
  });

  it('zaps what overlaps, and counts sections that overlap nothing', () => {
    const { bed, key } = mapped();
    sectionStart(bed, T1, 20, 21);
    expect(entryOf(bed, key, 1)).not.toBe(0);
    expect(auditOf(bed)).toEqual({ [COUNT]: 1 });
    sectionStart(bed, T4, 5, 5);
    expect(entryOf(bed, key, 1)).toBe(0);
    expect(auditOf(bed)).toEqual({ [COUNT]: 2 });
    sectionEnd(bed, T1);
    sectionEnd(bed, T4);
    expect(auditOf(bed)).toEqual({});
  });

  it('moves the sequence with each end, so that a section wholly inside a fault is seen', () => {
    const { bed } = mapped();
    const before = sample(bed);
    expect(check(bed, before)).toBe(true);
    sectionStart(bed, T1, 20, 21);
    expect(check(bed, before)).toBe(false);
    // The sample is of the sequence alone: taken inside the section it is the same.
    expect(sample(bed)).toBe(before);
    sectionEnd(bed, T1);
    expect(check(bed, before)).toBe(false);
    expect(check(bed, sample(bed))).toBe(true);
  });

  it('moves the sequence before it lowers the count', () => {
    const { bed } = mapped();
    const before = sample(bed);
    const changes: number[][] = [];
    const actor = {
      ...bed.actors[T1]!,
      observer: {
        ...bed.observers[T1]!,
        countChanged: (_a: unknown, _u: unknown, value: number, seq: number) => changes.push([value, seq]),
      },
    };
    contextCount.rangeStart(actor, bed.ctx, 0 as never, 20 as never, 21 as never, true);
    contextCount.rangeEnd(actor, bed.ctx, 0 as never, 20 as never, 21 as never);
    expect(changes).toEqual([
      [1, before],
      [0, before + 1],
    ]);
  });

  it('refuses faults on regions that no section touches: the price', () => {
    const { bed, key } = mapped();
    sectionStart(bed, T1, 20, 21);
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.eagain);
    sectionEnd(bed, T1);
    bed.at(T3, 'fault.gotPages', () => madvise(bed, T1, 20, 21));
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.eagain);
    expect(faultOnce(bed, T3, key, 2)).toBe(OUTCOME.ok);
  });

  it('needs no handshake: a region born inside a section is right at once', () => {
    const { bed } = mapped();
    sectionStart(bed, T1, 4, 6);
    const key = register(bed, T2, 5, 2);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.eagain);
    sectionClear(bed, T1, 4, 6);
    sectionEnd(bed, T1);
    expect(faultOnce(bed, T3, key, 0)).toBe(OUTCOME.ok);
    sectionStart(bed, T1, 4, 6);
    deregister(bed, T2, key);
    sectionEnd(bed, T1);
    expect(auditOf(bed)).toEqual({});
    expect(counter(bed, 'exposure.registerInSection')).toBe(1);
    expect(counter(bed, 'exposure.removeInSection')).toBe(1);
    expect(fired(bed)).toEqual({});
  });

  it('wakes a fault that sleeps with the end that brings the count to 0', async () => {
    const { bed, key } = mapped();
    sectionStart(bed, T1, 5, 6);
    sectionStart(bed, T4, 7, 7);
    // Longer than any bound of the test: only the wake-up can end it.
    const thread = startThread(bed, T3, [['fault', key, 1, 3_600_000]]);
    await withThreads([thread], async () => {
      await thread.sleepsIn(WAIT.waitQueue);
      sectionEnd(bed, T1);
      sectionClear(bed, T4, 7, 7);
      sectionEnd(bed, T4);
      expect(await thread.ended).toEqual([OUTCOME.ok]);
      expect(counter(bed, 'fault.retried')).toBeGreaterThan(0);
      expect(fired(bed)).toEqual({});
    });
  });

  it('passes the points of a start in their order', () => {
    const { bed } = mapped();
    const passed = pointsOf(passedBy(bed, T1, () => madvise(bed, T1, 5, 5)));
    expect(passed.filter((p) => p.startsWith('section') || p.startsWith('umem'))).toEqual([
      'section.starting',
      'umem.zapped',
      'section.started',
      'section.cleared',
      'section.ending',
      'section.ended',
    ]);
  });
});
