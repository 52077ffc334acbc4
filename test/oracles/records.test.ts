import { describe, expect, it } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { ORACLE } from '../../src/oracles/names.ts';
import { countOf, drainViolations, violate } from '../../src/oracles/report.ts';
import { VIOLATION, VIOLATION_STATE } from '../../src/oracles/view.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { pointName } from '../../src/trace/points.ts';
import {
  type Bed,
  type BedOptions,
  counter,
  createBed,
  dma,
  faultOnce,
  fired,
  madvise,
  register,
  touch,
} from './fixture.ts';

const [T1, T2, T3, T4] = [0, 1, 2, 3] as const;
const noZap: Strategy = { ...contextCount, rangeStart: () => OUTCOME.ok, rangeEnd() {} };

/** A device entry for a page that was freed, and thread 3 to go through it. */
function stale(options: BedOptions = {}): { bed: Bed; access: () => void } {
  const bed = createBed(noZap, options);
  touch(bed, T4, 5);
  const key = register(bed, T2, 4, 4);
  faultOnce(bed, T3, key, 1);
  madvise(bed, T1, 5, 5);
  // Only what follows counts.
  drainViolations(bed.world.oracles);
  touch(bed, T1, 5);
  return { bed, access: () => void dma(bed, T4, key, 1) };
}
const oracles = (bed: Bed) => bed.world.oracles;

describe('a record', () => {
  it('holds the last points of every thread, in order of time', () => {
    const { bed, access } = stale({ window: 4 });
    access();
    const record = drainViolations(oracles(bed)).find((v) => v.fields.oracle === ORACLE['stale-dma'])!;
    const of = (tid: number) => record.window.filter((r) => r.tid === tid);
    expect(of(T2).map((r) => pointName(r.point))).toEqual(['register.enter', 'umem.inserted', 'register.done']);
    expect(of(T3).map((r) => pointName(r.point))).toEqual([
      'fault.sampled',
      'fault.gotPages',
      'fault.checked',
      'fault.committed',
    ]);
    // The points of the violator itself up to the one at which it was noticed.
    expect(of(T4).map((r) => pointName(r.point))).toEqual([
      'mm.faulted',
      'cpu.write',
      'dma.translated',
      'dma.accessed',
    ]);
    expect(of(T1)).toHaveLength(4);
    const times = record.window.map((r) => r.timeMs);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    expect(record.timeMs).toBeGreaterThanOrEqual(times[times.length - 1]!);
    for (const tid of [T1, T2, T3, T4]) {
      const seqs = of(tid).map((r) => r.seq);
      expect(seqs).toEqual(seqs.map((_, i) => seqs[0]! + i));
    }
  });

  it('keeps the arguments of its points', () => {
    const { bed, access } = stale();
    access();
    const record = drainViolations(oracles(bed))[0]!;
    const last = record.window.filter((r) => r.tid === T4).at(-1)!;
    expect(pointName(last.point)).toBe('dma.accessed');
    expect([last.a, last.b, last.c]).toEqual([record.fields.page, record.fields.frame, record.fields.entryGeneration]);
  });

  it('says -1 of everything that does not apply', () => {
    const { bed } = stale();
    const slot = violate(bed.actors[T1]!, oracles(bed), ORACLE.starvation);
    for (let w = VIOLATION.umem; w < VIOLATION.chainLength; w++) expect(bed.world.mem[slot + w]).toBe(-1);
  });

  it('is not given out before it is complete', () => {
    const { bed } = stale();
    const slot = violate(bed.actors[T1]!, oracles(bed), ORACLE.starvation);
    expect(drainViolations(oracles(bed))).toEqual([]);
    expect(bed.world.mem[at(slot, VIOLATION.state)]).toBe(VIOLATION_STATE.writing);
  });
});

describe('how many are kept', () => {
  it('the first few of a signature, all counted', () => {
    const { bed, access } = stale({ keep: 3 });
    for (let i = 0; i < 10; i++) access();
    const records = drainViolations(oracles(bed)).filter((v) => v.fields.oracle === ORACLE['stale-dma']);
    expect(records.map((r) => r.fields.nth)).toEqual([1, 2, 3]);
    expect(fired(bed)['stale-dma']).toBe(10);
    expect(counter(bed, 'record.dropped')).toBe(0);
    // Taking them makes no room for more of the same.
    access();
    expect(drainViolations(oracles(bed))).toEqual([]);
    expect(fired(bed)['stale-dma']).toBe(11);
  });

  it('each role has a signature of its own, whichever of its threads it was', () => {
    const { bed } = stale({
      keep: 2,
      threads: 7,
      roles: ['madvise', 'register', 'fault-engine', 'dma', 'dma', 'touch'],
    });
    for (const tid of [3, 4, 5]) for (let i = 0; i < 5; i++) violate(bed.actors[tid]!, oracles(bed), ORACLE.starvation);
    expect(countOf(oracles(bed), ORACLE.starvation).count).toBe(15);
    const states = Array.from({ length: 16 }, (_, i) => {
      const slot = at(oracles(bed).slots, i * oracles(bed).slotStride);
      return bed.world.mem[slot]! === VIOLATION_STATE.writing ? bed.world.mem[slot + VIOLATION.tid]! : -1;
    }).filter((tid) => tid >= 0);
    // dma: both by thread 3, who was first; touch: both by thread 5.
    expect(states).toEqual([3, 3, 5, 5]);
  });

  it('no more than there are slots; the rest are counted as dropped, and as violations', () => {
    const { bed, access } = stale({ keep: 5, slots: 3 });
    const kept = counter(bed, 'record.kept');
    for (let i = 0; i < 10; i++) access();
    expect(drainViolations(oracles(bed))).toHaveLength(3);
    expect(counter(bed, 'record.kept') - kept).toBe(3);
    expect(counter(bed, 'record.dropped')).toBe(2);
    expect(fired(bed)['stale-dma']).toBe(10);
  });

  it('a slot that was taken is used again', () => {
    const { bed, access } = stale({ keep: 5, slots: 1 });
    for (let i = 1; i <= 5; i++) {
      access();
      expect(drainViolations(oracles(bed)).map((r) => r.fields.nth)).toEqual([i]);
    }
    expect(counter(bed, 'record.dropped')).toBe(0);
  });

  it('counts are sums over all threads, with the time of the first', () => {
    const { bed } = stale();
    expect(countOf(oracles(bed), ORACLE.starvation)).toEqual({ count: 0, firstAtMs: 0 });
    violate(bed.actors[T3]!, oracles(bed), ORACLE.starvation);
    const first = countOf(oracles(bed), ORACLE.starvation);
    expect(first.count).toBe(1);
    violate(bed.actors[T1]!, oracles(bed), ORACLE.starvation);
    violate(bed.actors[T3]!, oracles(bed), ORACLE.starvation);
    expect(countOf(oracles(bed), ORACLE.starvation)).toEqual({ count: 3, firstAtMs: first.firstAtMs });
  });
});
