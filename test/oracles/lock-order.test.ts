import { describe, expect, it } from 'vitest';
import { readSteps } from '../../src/explore/control/steps.ts';
import { litmusSubject } from '../../src/explore/subject/litmus.ts';
import { exploringPlan } from '../../src/explore/subject/litmus-plan.ts';
import type { Addr, Pfn } from '../../src/memory/address.ts';
import { at } from '../../src/memory/address.ts';
import { mayReclaim } from '../../src/mm/alloc.ts';
import { FRAME, frameAddr } from '../../src/mm/frame.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { truncate } from '../../src/mm/truncate.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { checkDeadlock, createDeadlockWatch } from '../../src/oracles/deadlock.ts';
import { lockdepReport } from '../../src/report/lockdep.ts';
import { timeline } from '../../src/report/timeline.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { heldRwsem } from '../../src/strategies/held-rwsem.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { rangePool } from '../../src/strategies/range-pool.ts';
import { lockMapAcquire, lockMapRelease } from '../../src/sync/index.ts';
import { LOCK_DEP, PSEUDO } from '../../src/sync/lock-dep.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import { WAIT } from '../../src/sync/task.ts';
import { violationRecord } from '../../src/torture/record.ts';
import type { Actor } from '../../src/trace/actor.ts';
import { point } from '../../src/trace/point.ts';
import { POINT } from '../../src/trace/points.ts';
import { attachThread } from '../../src/world/actor.ts';
import { attachWorld } from '../../src/world/world.ts';
import { litmusPlanOf, runRandom, seedOf, withLitmus } from '../explore/litmus-hosts.ts';
import {
  type Bed,
  createBed,
  deregister,
  dma,
  faultOnce,
  fired,
  madvise,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
  touch,
} from './fixture.ts';
import { absent, startThread, withThreads } from './threads.ts';

const cell = (): Bed => createBed(contextCount, { lockDep: true, threads: 3 });
/** Two that the setup of a cell does not nest. */
const locksOf = ({ world, ctx }: Bed): readonly [Addr, Addr] => [world.mm.files[0]!.inodeLock, ctx.umemRwsem];

function nest(actor: Actor, outer: Addr, inner: Addr): void {
  downWrite(actor, outer);
  downRead(actor, inner);
  upRead(actor, inner);
  upWrite(actor, outer);
}

describe('lock-order', () => {
  it('names two orders that could meet, with who took them and where', () => {
    const bed = cell();
    const [inode, umem] = locksOf(bed);
    const [a, b] = bed.actors as [Actor, Actor];
    point(a, POINT['umem.inserted'], 1, 2, 3);
    nest(a, inode, umem);
    point(b, POINT['umem.removed'], 1, 2, 3);
    for (let i = 0; i < 3; i++) nest(b, umem, inode);
    expect(fired(bed)).toEqual({ 'lock-order': 1 });
    const [raw] = recordsOf(bed, 'lock-order');
    const record = violationRecord(bed.world, raw!);
    expect(record.lockOrder).toMatchObject({
      kind: 'circular',
      acquiring: { name: 'inode_lock', address: inode, mode: 'read' },
      holding: { name: 'umem_rwsem', address: umem, mode: 'write' },
      chain: [
        { from: 'umem_rwsem', to: 'inode_lock', modes: ['EN'], thread: 'register-1', point: 'umem.removed' },
        { from: 'inode_lock', to: 'umem_rwsem', modes: ['EN'], thread: 'madvise-0', point: 'umem.inserted' },
      ],
      held: [{ name: 'umem_rwsem', address: umem, mode: 'write' }],
    });
    expect(record.detail).toContain('inode_lock --> umem_rwsem');
  });

  it('is printed in the sections of lockdep, in their order, and above the timeline', () => {
    const bed = cell();
    const [inode, umem] = locksOf(bed);
    nest(bed.actors[0]!, inode, umem);
    nest(bed.actors[1]!, umem, inode);
    const record = violationRecord(bed.world, recordsOf(bed, 'lock-order')[0]!);
    const lines = lockdepReport(record);
    const sections = [
      'WARNING: possible circular locking dependency detected',
      'register-1/1 is trying to acquire lock:',
      'but task is already holding lock:',
      'which lock already depends on the new lock.',
      'the existing dependency chain (in reverse order) is:',
      '-> #1 (umem_rwsem){EN}:',
      '-> #0 (inode_lock){EN}:',
      'other info that might help us debug this:',
      'Chain exists of:',
      '  inode_lock --> umem_rwsem',
      ' Possible unsafe locking scenario:',
      '       CPU0                    CPU1',
      '  lock(umem_rwsem);',
      '                               lock(inode_lock);',
      '                               lock(umem_rwsem);',
      '  rlock(inode_lock);',
      ' *** DEADLOCK ***',
      '1 lock held by register-1/1:',
    ];
    expect(lines.filter((line) => sections.includes(line))).toEqual(sections);
    expect(timeline(record).join('\n')).toContain(lines.join('\n'));
  });

  it('is told before the threads stand in the deadlock itself', async () => {
    const bed = cell();
    absent(bed, 2);
    const [inode, umem] = locksOf(bed);
    const threads = [inode, umem].map((first, tid) =>
      startThread(bed, tid, [
        ['downWrite', first],
        ['signal', tid],
        ['await', 1 - tid],
        ['downWrite', first === inode ? umem : inode],
      ]),
    );
    await withThreads(threads, async () => {
      for (const t of threads) await t.sleepsIn(WAIT.rwsemWrite);
      expect(fired(bed)).toEqual({ 'lock-order': 1 });
      const watch = createDeadlockWatch(bed.world.threads);
      for (let i = 0; i < 3; i++) checkDeadlock(bed.supervisor, bed.world.oracles, watch);
      expect(fired(bed)).toEqual({ 'lock-order': 1, deadlock: 1 });
    });
  });

  it('calls a lock that is taken inside its own class recursion', () => {
    const bed = cell();
    const folio = (n: number): Addr => at(frameAddr(bed.world.mm.frames, n as Pfn), FRAME.folioLock);
    mutexLock(bed.actors[0]!, folio(1));
    mutexLock(bed.actors[0]!, folio(2));
    const record = violationRecord(bed.world, recordsOf(bed, 'lock-order')[0]!);
    expect(record.lockOrder!.kind).toBe('recursive');
    expect(lockdepReport(record).join('\n')).toContain('WARNING: possible recursive locking detected');
    expect(record.lockOrder!.held.map(({ address }) => address)).toEqual([folio(1)]);
  });

  it('sees a cycle through reclaim before memory is ever short', () => {
    const bed = cell();
    const [, umem] = locksOf(bed);
    const [a, b] = bed.actors as [Actor, Actor];
    lockMapAcquire(a, PSEUDO.fsReclaim);
    downRead(a, umem);
    upRead(a, umem);
    lockMapRelease(a, PSEUDO.fsReclaim);
    downWrite(b, umem);
    lockMapAcquire(b, PSEUDO.fsReclaim);
    lockMapRelease(b, PSEUDO.fsReclaim);
    upWrite(b, umem);
    const record = violationRecord(bed.world, recordsOf(bed, 'lock-order')[0]!);
    expect(record.detail).toContain('fs_reclaim --> umem_rwsem');
  });

  it('sees a callback of start that allocates, although nobody reclaims', () => {
    const allocates: Strategy = {
      ...contextCount,
      rangeStart(actor, ctx, section, start, last, blockable) {
        mayReclaim(actor, ctx.mm.world);
        return contextCount.rangeStart(actor, ctx, section, start, last, blockable);
      },
    };
    const bed = createBed(allocates, { lockDep: true });
    madvise(bed, 0, 4, 6);
    const record = violationRecord(bed.world, recordsOf(bed, 'lock-order')[0]!);
    expect(record.detail).toContain('fs_reclaim --> mmu_notifier_invalidate_range_start');
  });

  it.each([
    [heldRwsem, 'umem_rwsem'],
    [rangePool, 'range_pool'],
  ])('sees what $name keeps until the end, once a section allocates', (strategy, kept) => {
    const bed = createBed(strategy, { lockDep: true });
    sectionStart(bed, 0, 4, 6);
    sectionEnd(bed, 0);
    expect(fired(bed)).toEqual({});
    sectionStart(bed, 0, 4, 6);
    mayReclaim(bed.actors[0]!, bed.world.mm);
    const record = violationRecord(bed.world, recordsOf(bed, 'lock-order')[0]!);
    expect(record.lockOrder!.holding.name).toBe(kept);
    expect(record.lockOrder!.acquiring.name).toBe('fs_reclaim');
    sectionEnd(bed, 0);
  });

  it.each(STRATEGIES.map((s) => s.name))('finds nothing in what %s does', (name) => {
    const strategy = STRATEGIES.find((s) => s.name === name)!;
    const bed = createBed(strategy, { lockDep: true });
    const { world } = bed;
    const mm = world.mm.mms[0]!;
    for (let round = 0; round < 3; round++) {
      const key = register(bed, 1, 4, 4);
      const other = register(bed, 1, 16, 4);
      for (const page of [4, 5, 16, 17]) touch(bed, 0, page);
      for (const k of [key, other]) {
        if (!strategy.pins) faultOnce(bed, 2, k, 1);
        dma(bed, 3, k, 1, true);
      }
      madvise(bed, 0, 4, 6);
      truncate(bed.actors[0]!, world.mm, world.mm.files[0]!, 8);
      munmap(bed.actors[0]!, mm, 12 as never, 13 as never);
      deregister(bed, 1, other);
      deregister(bed, 1, key);
    }
    expect(fired(bed)).toEqual({});
    // Silence means something: orders were seen.
    const graph = world.lockDep as Addr;
    const edges = world.mem.subarray(graph + LOCK_DEP.edge, graph + LOCK_DEP.$words).filter((word) => word !== 0);
    expect(edges.length).toBeGreaterThan(8);
    expect(world.mem[graph + LOCK_DEP.full]).toBe(0);
  });

  it('is a finding of an explored schedule, named by its cycle whoever closes it', () => {
    const given = litmusPlanOf('seed-madvise-around-register', 'context-count');
    expect(given.lockDep).toBe(true);
    const plan = exploringPlan(given);
    const subject = litmusSubject(given);
    const findingOf = (turned: boolean) => {
      const mem = new Int32Array(new SharedArrayBuffer(subject.words * 4));
      subject.setup(mem);
      const world = attachWorld(plan, mem.buffer);
      const mm = world.mm.mms[0]!;
      const order = [mm.mmapLock, world.contexts[0]!.umemRwsem] as const;
      nest(attachThread(world, turned ? 1 : 0, 0).actor, order[0], order[1]);
      nest(attachThread(world, turned ? 0 : 1, 0).actor, order[1], order[0]);
      return subject.observed!(mem);
    };
    const [finding, again] = [findingOf(false), findingOf(true)];
    expect(finding).toMatchObject([{ oracle: 'lock-order', object: 'mmap_lock --> umem_rwsem' }]);
    expect(again.map(({ object }) => object)).toEqual(finding.map(({ object }) => object));
    expect(lockdepReport(subject.lockOrder!(finding[0]!)!).join('\n')).toContain('*** DEADLOCK ***');
  });
});

describe('unlock-not-owner', () => {
  it('fires for a lock that another thread holds, and leaves it held', () => {
    const bed = cell();
    const [inode] = locksOf(bed);
    downRead(bed.actors[0]!, inode);
    upRead(bed.actors[1]!, inode);
    upRead(bed.actors[0]!, inode);
    expect(fired(bed)).toEqual({ 'unlock-not-owner': 1 });
    const record = violationRecord(bed.world, recordsOf(bed, 'unlock-not-owner')[0]!);
    expect(record.detail).toBe(`inode_lock@${inode} (read) was released by a thread that does not hold it`);
    expect(record.thread.name).toBe('register-1');
    expect(bed.world.mem[inode]).toBe(0);
  });

  it('is silent for locks that are released out of order', () => {
    const bed = cell();
    const [inode, umem] = locksOf(bed);
    const [actor] = bed.actors as [Actor];
    const folio = at(frameAddr(bed.world.mm.frames, 1 as Pfn), FRAME.folioLock);
    downWrite(actor, inode);
    downRead(actor, umem);
    mutexLock(actor, folio);
    upWrite(actor, inode);
    upRead(actor, umem);
    mutexUnlock(actor, folio);
    expect(fired(bed)).toEqual({});
  });
});

describe('checking orders in a controlled run', () => {
  it('takes no step: every schedule has exactly those it had', async () => {
    const on = litmusPlanOf('truncate-around-register', 'take-all-locks');
    const stepsOf = (plan: CellPlan) =>
      withLitmus(plan, (host) =>
        [1, 2, 3, 4, 5].map((i) => {
          expect(runRandom(host, seedOf(i))).toEqual([]);
          return readSteps(host.engine.sched);
        }),
      );
    const steps = await stepsOf(on);
    expect(steps.flat().length).toBeGreaterThan(300);
    expect(await stepsOf({ ...on, lockDep: false })).toEqual(steps);
  });
});
