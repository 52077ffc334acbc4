import { describe, expect, it } from 'vitest';
import {
  type Addr,
  createArena,
  createTask,
  downgradeWrite,
  downRead,
  downReadTrylock,
  downWrite,
  downWriteNested,
  downWriteNestLock,
  HELD,
  HELD_MAX,
  LOCK_CLASS,
  layoutArena,
  lockMapAcquire,
  lockMapRelease,
  MUTEX,
  mutexInit,
  mutexLock,
  mutexLockNested,
  mutexTrylock,
  mutexUnlock,
  PSEUDO,
  RW_SEMAPHORE,
  rwsemInit,
  rwsemReaders,
  rwsemWriteLocked,
  SPIN_LOCK,
  type SyncHooks,
  spinLock,
  spinLockInit,
  spinLockNested,
  spinUnlock,
  srcuInit,
  srcuReadLock,
  srcuReadUnlock,
  srcuWords,
  synchronizeSrcu,
  TASK,
  type Task,
  upRead,
  upWrite,
} from '../../src/sync/index.ts';
import { createLockDep, LOCK_DEP, lockDepInit, type OrderFound, SUBCLASSES } from '../../src/sync/lock-dep.ts';
import { DEP, edgeAddr, edgeKinds, edgePoint, edgeTid, nodeFor } from '../../src/sync/lock-dep-graph.ts';

const THREADS = 3;
const LAYOUT = layoutArena([
  { name: 'task', words: TASK.$words, count: THREADS, line: true },
  { name: 'held', words: HELD_MAX, count: THREADS, line: true },
  { name: 'graph', words: LOCK_DEP.$words, count: 1, line: true },
  { name: 'rwsem', words: RW_SEMAPHORE.$words, count: 4 },
  { name: 'mutex', words: MUTEX.$words, count: 4 },
  { name: 'spin', words: SPIN_LOCK.$words, count: 2 },
  { name: 'srcu', words: srcuWords(THREADS), count: 1 },
]);
const GRAPH = LAYOUT.regions.graph.base;

type Found = Pick<OrderFound, 'recursive'> & { readonly tid: number; readonly cycle: readonly number[] };

/** On one thread nobody could ever release a lock that somebody holds: waiting for it would hang the test run. */
const NEVER_BLOCK: SyncHooks = {
  contended(task, lock) {
    throw new Error(`thread ${task.tid} would block on the lock at ${lock}`);
  },
  acquired() {},
};

/** Three threads on one, which never wait for each other; what their checkers say. */
function bench() {
  const mem = createArena(LAYOUT);
  lockDepInit(mem, GRAPH);
  const found: Found[] = [];
  const wrong: { readonly tid: number; readonly lock: number; readonly mode: number }[] = [];
  const object = (name: keyof typeof LAYOUT.regions, i: number): Addr =>
    (LAYOUT.regions[name].base + i * LAYOUT.regions[name].stride) as Addr;
  const tasks = Array.from({ length: THREADS }, (_, tid): Task => {
    const lockDep = createLockDep({
      mem,
      graph: GRAPH,
      held: object('held', tid),
      sink: {
        order: (task, { recursive, chain, edges }) =>
          found.push({
            tid: task.tid,
            recursive,
            cycle: Array.from({ length: edges }, (_, i) => Math.floor(chain[i * 4 + 3]! / SUBCLASSES)),
          }),
        notOwner: (task, lock, mode) => wrong.push({ tid: task.tid, lock, mode }),
        where: () => 7,
      },
    });
    return createTask(mem, tid, object('task', tid), NEVER_BLOCK, lockDep);
  });
  const [a, b, c, a2] = [0, 1, 2, 3].map((i) => object('rwsem', i)) as [Addr, Addr, Addr, Addr];
  rwsemInit(mem, a, LOCK_CLASS.mmap_lock);
  rwsemInit(mem, b, LOCK_CLASS.i_mmap_rwsem);
  rwsemInit(mem, c, LOCK_CLASS.umem_rwsem);
  rwsemInit(mem, a2, LOCK_CLASS.mmap_lock);
  const mutexes = [0, 1, 2, 3].map((i) => object('mutex', i));
  for (const m of mutexes) mutexInit(mem, m, LOCK_CLASS.umem_mutex);
  const spins = [0, 1].map((i) => object('spin', i));
  for (const s of spins) spinLockInit(mem, s, LOCK_CLASS.ptl);
  const srcu = object('srcu', 0);
  srcuInit(mem, srcu, THREADS, LOCK_CLASS.notifier_srcu);
  const [t0, t1, t2] = tasks as [Task, Task, Task];
  return { mem, found, wrong, t0, t1, t2, a, b, c, a2, mutexes, spins, srcu };
}

const READ = { lock: downRead, unlock: upRead };
const WRITE = { lock: downWrite, unlock: upWrite };
type How = typeof READ;
/** Takes `x`, then `y` inside it. */
function nest(task: Task, x: Addr, y: Addr, outer: How = WRITE, inner: How = WRITE): void {
  outer.lock(task, x);
  inner.lock(task, y);
  inner.unlock(task, y);
  outer.unlock(task, x);
}

describe('orders of locks', () => {
  it('that agree are silent, however often they are taken', () => {
    const { t0, t1, a, b, c, found } = bench();
    for (let i = 0; i < 3; i++) {
      nest(t0, a, b);
      nest(t1, b, c);
      nest(t0, a, c, READ, READ);
    }
    expect(found).toEqual([]);
  });

  it('of two threads that could meet are reported once, by whoever closes the cycle, though nobody waits', () => {
    const { t0, t1, a, b, found } = bench();
    nest(t0, a, b);
    expect(found).toEqual([]);
    for (let i = 0; i < 3; i++) nest(t1, b, a);
    nest(t0, b, a);
    expect(found).toEqual([{ tid: 1, recursive: false, cycle: [LOCK_CLASS.mmap_lock, LOCK_CLASS.i_mmap_rwsem] }]);
  });

  it('of three are reported with the shortest way around', () => {
    const { t0, t1, t2, a, b, c, found } = bench();
    nest(t0, a, b);
    nest(t1, b, c);
    nest(t2, c, a);
    expect(found.map(({ cycle }) => cycle)).toEqual([
      [LOCK_CLASS.mmap_lock, LOCK_CLASS.i_mmap_rwsem, LOCK_CLASS.umem_rwsem],
    ]);
  });

  it('come from every lock that is held, also when it was released in between', () => {
    const { t0, t1, a, b, c, found } = bench();
    downWrite(t0, a);
    downWrite(t0, b);
    downWrite(t0, c);
    // Out of order: what is left must keep its classes.
    upWrite(t0, b);
    downRead(t0, b);
    upRead(t0, b);
    upWrite(t0, c);
    upWrite(t0, a);
    expect(found.map(({ cycle }) => cycle)).toEqual([[LOCK_CLASS.i_mmap_rwsem, LOCK_CLASS.umem_rwsem]]);
    nest(t1, c, a);
    expect(found).toHaveLength(2);
  });

  it('count for rwsem readers: a queued writer makes them wait', () => {
    const { t0, t1, a, b, found } = bench();
    nest(t0, a, b, READ, READ);
    nest(t1, b, a, READ, READ);
    expect(found).toHaveLength(1);
  });

  it('say who recorded an edge, how, and where that thread was', () => {
    const { mem, t1, a, b } = bench();
    nest(t1, a, b, READ, WRITE);
    const nodes = [LOCK_CLASS.mmap_lock, LOCK_CLASS.i_mmap_rwsem].map((cls) => nodeFor(mem, GRAPH, cls, 0));
    const edge = mem[edgeAddr(GRAPH, nodes[0]!, nodes[1]!)]!;
    expect([edgeKinds(edge), edgeTid(edge), edgePoint(edge)]).toEqual([DEP.SN, 1, 7]);
  });
});

describe('one class inside itself', () => {
  it('is recursion, for readers as well, and once', () => {
    const { t0, t1, a, a2, found } = bench();
    nest(t0, a, a2, READ, READ);
    nest(t1, a2, a, READ, READ);
    expect(found).toEqual([{ tid: 0, recursive: true, cycle: [LOCK_CLASS.mmap_lock] }]);
  });

  it('is none with subclasses in one order, and a cycle in two', () => {
    const { t0, t1, a, a2, mutexes, spins, found } = bench();
    downWrite(t0, a);
    downWriteNested(t0, a2, 1);
    upWrite(t0, a2);
    upWrite(t0, a);
    spinLock(t0, spins[0]!);
    spinLockNested(t0, spins[1]!, 1);
    spinUnlock(t0, spins[1]!);
    spinUnlock(t0, spins[0]!);
    mutexLock(t0, mutexes[0]!);
    mutexLockNested(t0, mutexes[1]!, 2);
    mutexUnlock(t0, mutexes[1]!);
    mutexUnlock(t0, mutexes[0]!);
    expect(found).toEqual([]);
    downWriteNested(t1, a, 1);
    downWrite(t1, a2);
    expect(found.map(({ recursive }) => recursive)).toEqual([false]);
  });

  it('takes a subclass for one lock only', () => {
    const { t0, mutexes, found } = bench();
    mutexLockNested(t0, mutexes[0]!, 1);
    mutexUnlock(t0, mutexes[0]!);
    mutexLock(t0, mutexes[1]!);
    mutexLock(t0, mutexes[2]!);
    expect(found.map(({ recursive }) => recursive)).toEqual([true]);
  });

  it('is none for any number under a lock that keeps the nesters apart, unless that is not held', () => {
    const { t0, t1, a, a2, c, found } = bench();
    downWrite(t0, c);
    downWriteNestLock(t0, a, c);
    downWriteNestLock(t0, a2, c);
    upWrite(t0, a2);
    upWrite(t0, a);
    upWrite(t0, c);
    expect(found).toEqual([]);
    downWriteNestLock(t1, a, c);
    downWriteNestLock(t1, a2, c);
    expect(found.map(({ recursive }) => recursive)).toEqual([true]);
  });
});

/** Takes `x` inside whatever the task holds. */
function nestedIn(task: Task, x: Addr): void {
  downWrite(task, x);
  upWrite(task, x);
}

describe('what does not wait', () => {
  it('a trylock: nothing comes before it, but it comes before what is taken inside', () => {
    const { t0, t1, t2, a, b, mutexes, found } = bench();
    nest(t0, a, b);
    downWrite(t1, b);
    expect(downReadTrylock(t1, a)).toBe(true);
    expect(found).toEqual([]);
    upRead(t1, a);
    upWrite(t1, b);
    mutexLock(t1, mutexes[0]!);
    expect(mutexTrylock(t1, mutexes[1]!)).toBe(true);
    expect(found).toEqual([]);
    downWrite(t1, a);
    upWrite(t1, a);
    downWrite(t2, a);
    mutexLock(t2, mutexes[2]!);
    expect(found).toHaveLength(1);
  });

  it('a downgrade: locks taken since are no order, and the reader is one from then on', () => {
    const { t0, t1, a, b, c, found } = bench();
    downWrite(t0, a);
    downWrite(t0, b);
    downgradeWrite(t0, a);
    expect(found).toEqual([]);
    nestedIn(t0, c);
    upRead(t0, a);
    upWrite(t0, b);
    nest(t1, c, a);
    expect(found).toHaveLength(1);
  });

  it('an SRCU reader: inside itself, and against a lock that is taken in a read section', () => {
    const { t0, t1, a, srcu, found } = bench();
    const outer = srcuReadLock(t0, srcu);
    const inner = srcuReadLock(t0, srcu);
    downWrite(t0, a);
    upWrite(t0, a);
    srcuReadUnlock(t0, srcu, inner);
    srcuReadUnlock(t0, srcu, outer);
    downWrite(t1, a);
    srcuReadUnlock(t1, srcu, srcuReadLock(t1, srcu));
    expect(found).toEqual([]);
    // A grace period waits for the readers, of which one may wait for the lock.
    synchronizeSrcu(t1, srcu);
    expect(found.map(({ cycle }) => cycle)).toEqual([[LOCK_CLASS.notifier_srcu, LOCK_CLASS.mmap_lock]]);
  });

  it('a lock of no class', () => {
    const { mem, t0, t1, a, b, found } = bench();
    mem[b + 1] = 0;
    nest(t0, a, b);
    nest(t1, b, a);
    expect(found).toEqual([]);
  });
});

describe('pseudo-locks', () => {
  it('close a cycle that needs memory to be short to be hit', () => {
    const { t0, t1, mutexes, found } = bench();
    // Reclaim runs callbacks of the notifier, which take a mutex; the mutex is held over an allocation.
    lockMapAcquire(t0, PSEUDO.fsReclaim);
    lockMapAcquire(t0, PSEUDO.mmuNotifierRangeStart);
    mutexLock(t0, mutexes[0]!);
    mutexUnlock(t0, mutexes[0]!);
    lockMapRelease(t0, PSEUDO.mmuNotifierRangeStart);
    lockMapRelease(t0, PSEUDO.fsReclaim);
    expect(found).toEqual([]);
    mutexLock(t1, mutexes[0]!);
    lockMapAcquire(t1, PSEUDO.fsReclaim);
    lockMapRelease(t1, PSEUDO.fsReclaim);
    expect(found.map(({ cycle }) => cycle)).toEqual([[LOCK_CLASS.fs_reclaim, LOCK_CLASS.umem_mutex]]);
  });

  it('are nothing to a task without a checker', () => {
    const mem = createArena(LAYOUT);
    const task = createTask(mem, 0, LAYOUT.regions.task.base);
    lockMapAcquire(task, PSEUDO.fsReclaim);
    expect(mem[task.addr + TASK.heldCount]).toBe(0);
    lockMapRelease(task, PSEUDO.fsReclaim);
  });
});

describe('a release by a thread that does not hold the lock', () => {
  it('is told, and leaves every kind of lock as it is', () => {
    const { mem, wrong, t0, t1, a, b, mutexes, spins, srcu } = bench();
    mutexLock(t0, mutexes[0]!);
    mutexUnlock(t1, mutexes[0]!);
    expect(mutexTrylock(t1, mutexes[0]!)).toBe(false);
    mutexUnlock(t0, mutexes[0]!);
    expect(mutexTrylock(t1, mutexes[0]!)).toBe(true);

    downRead(t0, a);
    upRead(t1, a);
    expect(rwsemReaders(mem, a)).toBe(1);
    // Held, but not so.
    upWrite(t0, a);
    downgradeWrite(t0, a);
    expect([rwsemReaders(mem, a), rwsemWriteLocked(mem, a)]).toEqual([1, false]);
    upRead(t0, a);
    upRead(t0, a);
    expect(rwsemReaders(mem, a)).toBe(0);

    downWrite(t0, b);
    upWrite(t1, b);
    expect(rwsemWriteLocked(mem, b)).toBe(true);
    spinUnlock(t1, spins[0]!);
    expect(mem[spins[0]!]).toBe(0);
    srcuReadUnlock(t1, srcu, 0);
    synchronizeSrcu(t0, srcu);

    const { mutex, read, write, spin, srcu: rcu } = HELD;
    expect(wrong).toEqual([
      { tid: 1, lock: mutexes[0], mode: mutex },
      { tid: 1, lock: a, mode: read },
      { tid: 0, lock: a, mode: write },
      { tid: 0, lock: a, mode: write },
      { tid: 0, lock: a, mode: read },
      { tid: 1, lock: b, mode: write },
      { tid: 1, lock: spins[0], mode: spin },
      { tid: 1, lock: srcu, mode: rcu },
    ]);
  });

  it('is not told while holds were not counted completely', () => {
    const { mem, wrong, t0, mutexes } = bench();
    mem[t0.addr + TASK.heldOverflow] = 1;
    mem[mutexes[0]!] = 1;
    mutexUnlock(t0, mutexes[0]!);
    expect([wrong, mem[mutexes[0]!]]).toEqual([[], 0]);
  });
});
