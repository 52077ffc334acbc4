import { createPageRequest, pageRequestPost, pageRequestTake } from '../hca/page-request.ts';
import type { at, Memory } from '../memory/address.ts';
import { createArena, layoutArena } from '../memory/arena.ts';
import { LOCK_CLASS } from '../sync/lock-class.ts';
import { MUTEX, mutexInit, mutexLock, mutexUnlock } from '../sync/mutex.ts';
import { downRead, downWrite, RW_SEMAPHORE, rwsemInit, upRead, upWrite } from '../sync/rw-semaphore.ts';
import { readSeqBegin, readSeqRetry, SEQ_COUNT, seqCountInit } from '../sync/seq-count.ts';
import { SPIN_LOCK, spinLock, spinLockInit, spinUnlock } from '../sync/spin-lock.ts';
import { srcuInit, srcuReadLock, srcuReadUnlock, srcuWords } from '../sync/srcu.ts';
import { createTask, TASK, type Task } from '../sync/task.ts';
import { type Actor, MODE } from '../trace/actor.ts';
import { storeTime } from '../trace/clock.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { arenaWords } from '../world/size.ts';
import { futexLock, futexUnlock } from './inline-futex.ts';
import { type LoadConfig, type LoadJob, loadPlan } from './load-plan.ts';
import { openLoadThread, prepareLoad } from './load-world.ts';
import { loadMultithreading, type Peer } from './peers.ts';

/** Operations in one timed call: a clock read costs as much as a lock, so one call must not be one operation. */
export const PRIMITIVE_BATCH = 1000;

export interface PrimitiveJob {
  readonly name: PrimitiveName;
  readonly warmupMs: number;
  readonly timeMs: number;
}

export interface PrimitiveTimes {
  /** Nanoseconds of an operation, the median of the slices. */
  readonly nsPerOp: number;
  /** The reference's, so that the ratio of the two is the median of the slices' ratios. */
  readonly beside: number;
}

/** What each is compared with. */
export const PRIMITIVE_REFERENCE = 'inline-futex';

/** Uncontended operations on one thread; `peer`: the package that it takes. */
export const PRIMITIVES = [
  { name: 'inline-futex', title: 'inline three-state futex, lock and unlock' },
  { name: 'atomics-add', title: 'two bare Atomics.add' },
  { name: 'mutex', title: 'mutexLock, mutexUnlock' },
  { name: 'rwsem-read', title: 'downRead, upRead' },
  { name: 'rwsem-write', title: 'downWrite, upWrite' },
  { name: 'spin', title: 'spinLock, spinUnlock' },
  { name: 'atomics-load', title: 'two bare Atomics.load' },
  { name: 'seqcount-read', title: 'seqcount: begin, retry' },
  { name: 'srcu-read', title: 'srcuReadLock, srcuReadUnlock' },
  { name: 'point-off', title: 'a point, all off' },
  { name: 'clock', title: 'the clock read of a recorded point' },
  { name: 'point-traced', title: 'a point, recorded' },
  { name: 'page-request', title: 'page-request queue: four words in, four out, under a spin lock' },
  { name: 'ringbuf', title: 'ringbuf.js: push and pop of four words', peer: 'ringbuf.js' },
  { name: 'multithreading-mutex', title: 'multithreading Mutex.blockingLock, dispose', peer: 'multithreading' },
  { name: 'multithreading-rwlock-read', title: 'multithreading RwLock.blockingRead, dispose', peer: 'multithreading' },
  {
    name: 'multithreading-rwlock-write',
    title: 'multithreading RwLock.blockingWrite, dispose',
    peer: 'multithreading',
  },
] as const satisfies readonly { readonly name: string; readonly title: string; readonly peer?: Peer }[];
export type PrimitiveName = (typeof PRIMITIVES)[number]['name'];

/** Makes the function that performs `PRIMITIVE_BATCH` operations, in this thread. */
export const preparePrimitive = (name: PrimitiveName): Promise<() => void> => MAKERS[name]();

type Maker = () => Promise<() => void>;

/** A lock of ours in an arena of its own. */
const ours =
  (words: number, make: (task: Task, lock: ReturnType<typeof at>, mem: Memory) => () => void): Maker =>
  async () => {
    const layout = layoutArena([
      { name: 'task', words: TASK.$words, count: 1, line: true },
      { name: 'lock', words, count: 1, line: true },
    ]);
    const mem = createArena(layout);
    return make(createTask(mem, 0, layout.regions.task.base), layout.regions.lock.base, mem);
  };

const inlineFutex: Maker = async () => {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      futexLock(mem, 0);
      futexUnlock(mem, 0);
    }
  };
};

const bareAdd: Maker = async () => {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      Atomics.add(mem, 0, 1);
      Atomics.add(mem, 0, -1);
    }
  };
};

const mutex = ours(MUTEX.$words, (task, lock, mem) => {
  mutexInit(mem, lock, LOCK_CLASS.umem_mutex);
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      mutexLock(task, lock);
      mutexUnlock(task, lock);
    }
  };
});

const rwsemRead = ours(RW_SEMAPHORE.$words, (task, lock, mem) => {
  rwsemInit(mem, lock, LOCK_CLASS.mmap_lock);
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      downRead(task, lock);
      upRead(task, lock);
    }
  };
});

const rwsemWrite = ours(RW_SEMAPHORE.$words, (task, lock, mem) => {
  rwsemInit(mem, lock, LOCK_CLASS.mmap_lock);
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      downWrite(task, lock);
      upWrite(task, lock);
    }
  };
});

const spin = ours(SPIN_LOCK.$words, (task, lock, mem) => {
  spinLockInit(mem, lock, LOCK_CLASS.ptl);
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      spinLock(task, lock);
      spinUnlock(task, lock);
    }
  };
});

const bareLoad: Maker = async () => {
  const mem = new Int32Array(new SharedArrayBuffer(64));
  let sum = 0;
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) {
      sum += Atomics.load(mem, 0);
      sum += Atomics.load(mem, 0);
    }
    if (sum !== 0) throw new Error('bench: a word that nobody writes has changed');
  };
};

const seqRead = ours(SEQ_COUNT.$words, (task, lock, mem) => {
  seqCountInit(mem, lock);
  let retries = 0;
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) if (readSeqRetry(task, lock, readSeqBegin(task, lock))) retries++;
    if (retries !== 0) throw new Error('bench: a seqcount reader retried without a writer');
  };
});

const clock: Maker = async () => {
  const f64 = new Float64Array(new SharedArrayBuffer(64));
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) storeTime(f64, 0, 1);
  };
};

const srcuRead = ours(srcuWords(1), (task, lock, mem) => {
  srcuInit(mem, lock, 1, LOCK_CLASS.mr_srcu);
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) srcuReadUnlock(task, lock, srcuReadLock(task, lock));
  };
});

/** An actor in a small world. */
function smallWorld(): ReturnType<typeof openLoadThread> {
  const config: LoadConfig = {
    strategy: 'interval-notifier',
    roles: ['refault'],
    mms: 1,
    umems: 1,
    overlap: 0,
    vmas: 1,
    observing: 'none',
    seed: 1,
  };
  const plan = loadPlan(config);
  const job: LoadJob = { plan, config, buffer: new SharedArrayBuffer(arenaWords(plan) * 4) };
  prepareLoad(job);
  return openLoadThread(job, 0);
}

const points =
  (mode: number): Maker =>
  async () => {
    const actor: Actor = smallWorld().actor;
    actor.mode = mode;
    const sampled = POINT['fault.sampled'];
    return () => {
      for (let i = 0; i < PRIMITIVE_BATCH; i++) point(actor, sampled, 1, i, 2);
    };
  };

const pageRequest: Maker = async () => {
  const { actor, world } = smallWorld();
  const request = createPageRequest();
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++)
      if (!pageRequestPost(actor, world.hca, 1, i, true) || !pageRequestTake(actor, world.hca, request, 0))
        throw new Error('bench: a page request was not taken');
  };
};

const ringbuf: Maker = async () => {
  const { RingBuffer } = await import('ringbuf.js');
  const ring = new RingBuffer(RingBuffer.getStorageForCapacity(256, Int32Array), Int32Array);
  const [words, taken] = [new Int32Array(4), new Int32Array(4)];
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++)
      if (ring.push(words, 4) !== 4 || ring.pop(taken, 4) !== 4) throw new Error('bench: the ring lost words');
  };
};

const peerMutex: Maker = async () => {
  const { Mutex } = await loadMultithreading();
  const lock = new Mutex(undefined, new SharedArrayBuffer(64));
  return () => {
    for (let i = 0; i < PRIMITIVE_BATCH; i++) lock.blockingLock().dispose();
  };
};

const peerRwLock =
  (mode: 'blockingRead' | 'blockingWrite'): Maker =>
  async () => {
    const { RwLock } = await loadMultithreading();
    const lock = new RwLock(undefined, new SharedArrayBuffer(64));
    return () => {
      for (let i = 0; i < PRIMITIVE_BATCH; i++) lock[mode]().dispose();
    };
  };

const MAKERS: Readonly<Record<PrimitiveName, Maker>> = {
  'inline-futex': inlineFutex,
  'atomics-add': bareAdd,
  mutex,
  'rwsem-read': rwsemRead,
  'rwsem-write': rwsemWrite,
  spin,
  'atomics-load': bareLoad,
  'seqcount-read': seqRead,
  'srcu-read': srcuRead,
  'point-off': points(0),
  clock,
  'point-traced': points(MODE.trace),
  'page-request': pageRequest,
  ringbuf,
  'multithreading-mutex': peerMutex,
  'multithreading-rwlock-read': peerRwLock('blockingRead'),
  'multithreading-rwlock-write': peerRwLock('blockingWrite'),
};
