import { describe, expect, it } from 'vitest';
import { type Addr, at } from '../../src/memory/address.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { CLS_OFFSET, LOCK_CLASS } from '../../src/sync/lock-class.ts';
import { HELD } from '../../src/sync/task.ts';
import { lockStatView } from '../../src/torture/lock-figures.ts';
import { now } from '../../src/trace/actor.ts';
import { TRACE_HOOKS } from '../../src/trace/lock-hooks.ts';
import { LOCK_STAT_DOUBLES } from '../../src/trace/lock-stat.ts';
import { sumLocks, sumLockWaits } from '../../src/trace/lock-stat-sums.ts';
import { createBed } from '../oracles/fixture.ts';

describe('lock contention', () => {
  const bed = createBed(contextCount);
  const { mem, contention } = bed.world;
  const rwsem = bed.world.contexts[0]!.umemRwsem;
  const mmap = bed.world.mm.mms[0]!.mmapLock;

  it('names the classes of the locks of the model', () => {
    expect(mem[at(rwsem, CLS_OFFSET)]).toBe(LOCK_CLASS.umem_rwsem);
    expect(mem[at(mmap, CLS_OFFSET)]).toBe(LOCK_CLASS.mmap_lock);
  });

  it('is summed over threads by class and mode, the longest total wait first', () => {
    const [a, b] = [bed.actors[0]!, bed.actors[1]!];
    const wait = (actor: typeof a, lock: Addr, mode: 0 | 2 | 3, ms: number): void => {
      TRACE_HOOKS.contended(actor, lock, mode);
      TRACE_HOOKS.acquired(actor, lock, mode, now(actor) - ms);
    };
    wait(a, rwsem, HELD.write, 5);
    wait(b, rwsem, HELD.write, 10);
    wait(b, rwsem, HELD.read, 1);
    wait(a, mmap, HELD.read, 100);
    const view = lockStatView(bed.world, now(a));
    const rows = sumLocks(view);
    expect(rows.map(({ name, mode, contentions }) => [name, mode, contentions])).toEqual([
      ['mmap_lock', 'R', 1],
      ['umem_rwsem', 'W', 2],
      ['umem_rwsem', 'R', 1],
    ]);
    const [, write] = rows;
    // The clock moves between the two reads, by less than a minute.
    expect(write!.waitNs.total).toBeGreaterThanOrEqual(15e6);
    expect(write!.waitNs.max).toBeGreaterThanOrEqual(10e6);
    expect(write!.waitNs.min).toBeGreaterThanOrEqual(5e6);
    expect(write!.waitNs.min).toBeLessThan(write!.waitNs.max);
    expect(write!.waitNs.mean).toBeCloseTo(write!.waitNs.total / 2, 3);
    expect(write!.waitNs.max).toBeLessThan(60e9);
    expect(write).not.toHaveProperty('acquisitions');
    const all = sumLockWaits(view);
    expect(all.count).toBe(4);
    expect(all.sum).toBe(rows.reduce((sum, row) => sum + row.waitNs.total, 0));
  });

  it('counts a wait that never ended once, and as long as it lasted', () => {
    const other = createBed(contextCount);
    const [a, b] = [other.actors[0]!, other.actors[1]!];
    const lock = other.world.contexts[0]!.umemRwsem;
    const since = TRACE_HOOKS.contended(a, lock, HELD.write);
    TRACE_HOOKS.acquired(b, lock, HELD.write, TRACE_HOOKS.contended(b, lock, HELD.write) - 1);
    const view = lockStatView(other.world, since + 50);
    const [row, ...rest] = sumLocks(view);
    expect(rest).toEqual([]);
    expect(row).toMatchObject({ name: 'umem_rwsem', mode: 'W', contentions: 2 });
    expect(row!.waitNs.max).toBe(50e6);
    expect(sumLockWaits(view)).toMatchObject({ count: 2, max: 50e6 });
    // It ends after all: no more and no less.
    TRACE_HOOKS.acquired(a, lock, HELD.write, since);
    expect(sumLocks(lockStatView(other.world, since + 1e6))[0]!.contentions).toBe(2);
    expect(sumLockWaits(lockStatView(other.world, since + 1e6)).count).toBe(2);
  });

  it('has room of its own for each thread', () => {
    for (const [tid, base] of contention.entries())
      if (tid > 0) expect(base - contention[tid - 1]!).toBeGreaterThanOrEqual(LOCK_STAT_DOUBLES);
  });
});
