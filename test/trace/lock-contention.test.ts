import { describe, expect, it } from 'vitest';
import { type Addr, at } from '../../src/memory/address.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { CLS_OFFSET, LOCK_CLASS } from '../../src/sync/lock-class.ts';
import { HELD } from '../../src/sync/task.ts';
import { now } from '../../src/trace/actor.ts';
import { CONTENTION_DOUBLES, sumContention, TRACE_HOOKS } from '../../src/trace/lock-hooks.ts';
import { createBed } from '../oracles/fixture.ts';

describe('lock contention', () => {
  const bed = createBed(contextCount);
  const { mem, f64, contention } = bed.world;
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
    const rows = sumContention(f64, contention);
    expect(rows.map(({ name, mode, contentions }) => [name, mode, contentions])).toEqual([
      ['mmap_lock', 'R', 1],
      ['umem_rwsem', 'W', 2],
      ['umem_rwsem', 'R', 1],
    ]);
    const [, write] = rows;
    // The clock moves between the two reads, by less than a minute.
    expect(write!.waitNs.total).toBeGreaterThanOrEqual(15e6);
    expect(write!.waitNs.max).toBeGreaterThanOrEqual(10e6);
    expect(write!.waitNs.mean).toBeCloseTo(write!.waitNs.total / 2, 3);
    expect(write!.waitNs.max).toBeLessThan(60e9);
  });

  it('has room of its own for each thread', () => {
    for (const [tid, base] of contention.entries())
      if (tid > 0) expect(base - contention[tid - 1]!).toBeGreaterThanOrEqual(CONTENTION_DOUBLES);
  });
});
