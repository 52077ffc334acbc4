import { type Addr, at, type Memory } from '../memory/address.ts';
import { load, store } from '../sync/atomics.ts';
import { LOCK_CLASS } from '../sync/lock-class.ts';
import { mutexInit, mutexLock, mutexUnlock } from '../sync/mutex.ts';
import { downRead, downWrite, rwsemInit, upRead, upWrite } from '../sync/rw-semaphore.ts';
import { readSeqBegin, readSeqRetry, seqCountInit, writeSeqBegin, writeSeqEnd } from '../sync/seq-count.ts';
import { spinLock, spinLockInit, spinUnlock } from '../sync/spin-lock.ts';
import type { Task } from '../sync/task.ts';
import { futexLock, futexUnlock } from './inline-futex.ts';
import { DATA_WORDS, type LockName, type lockLayout } from './lock-plan.ts';
import { loadMultithreading } from './peers.ts';

/** A lock as a thread of a cell uses it: takes it, does the work, and gives it back. `got` is called when the lock is there. */
export interface Contender {
  read(got: () => void): void;
  write(got: () => void): void;
}

/** What protects the words at `data`. */
interface Place {
  readonly task: Task;
  readonly mem: Memory;
  readonly lock: Addr;
  readonly second: Addr;
  readonly data: Addr;
}

type Layout = ReturnType<typeof lockLayout>;

/** Makes the locks of a zeroed arena; once, before the threads start. */
export function initLock(name: LockName, mem: Memory, { regions }: Layout): void {
  const lock = regions.lock.base;
  if (name === 'mutex' || name === 'mutex-sleeping') mutexInit(mem, lock, LOCK_CLASS.umem_mutex);
  if (name === 'rwsem' || name === 'rwsem-sleeping') rwsemInit(mem, lock, LOCK_CLASS.mmap_lock);
  if (name === 'spin' || name === 'seqcount') spinLockInit(mem, lock, LOCK_CLASS.ptl);
  if (name === 'seqcount') seqCountInit(mem, regions.second.base);
}

/** A thread's use of the lock. */
export async function contender(name: LockName, task: Task, mem: Memory, layout: Layout): Promise<Contender> {
  const { regions } = layout;
  const place: Place = {
    task,
    mem,
    lock: regions.lock.base,
    second: regions.second.base,
    data: regions.data.base,
  };
  return MAKERS[name](place);
}

/** One store a word and no more; under exclusion plain ones will do, and all locks do the same work. */
function raise({ mem, data }: Place): void {
  for (let i = 0; i < DATA_WORDS; i++) mem[data + i]++;
}

/** Throws when a writer was inside at the same time: a lock that is fast and does not exclude has no figure. */
function look({ mem, data }: Place): void {
  const first = mem[data];
  for (let i = 1; i < DATA_WORDS; i++)
    if (mem[data + i] !== first) throw new Error('bench: a reader saw a writer inside: the lock does not exclude');
}

function exclusive(place: Place, lock: () => void, unlock: () => void): Contender {
  return {
    read(got) {
      lock();
      got();
      look(place);
      unlock();
    },
    write(got) {
      lock();
      got();
      raise(place);
      unlock();
    },
  };
}

function inlineFutex(place: Place): Contender {
  const { mem, lock } = place;
  return exclusive(
    place,
    () => futexLock(mem, lock),
    () => futexUnlock(mem, lock),
  );
}

function mutex(place: Place): Contender {
  const { task, lock } = place;
  return exclusive(
    place,
    () => mutexLock(task, lock),
    () => mutexUnlock(task, lock),
  );
}

function rwsem(place: Place): Contender {
  const { task, lock } = place;
  return {
    read(got) {
      downRead(task, lock);
      got();
      look(place);
      upRead(task, lock);
    },
    write(got) {
      downWrite(task, lock);
      got();
      raise(place);
      upWrite(task, lock);
    },
  };
}

/** A reader's wait is the time until it has a snapshot that holds. Its words are read and written atomically: see `readSeqBegin`. */
function seqcount({ task, lock, second, data }: Place): Contender {
  const snapshot = new Int32Array(DATA_WORDS);
  return {
    read(got) {
      for (;;) {
        const begin = readSeqBegin(task, second);
        for (let i = 0; i < DATA_WORDS; i++) snapshot[i] = load(task, at(data, i));
        if (!readSeqRetry(task, second, begin)) break;
      }
      got();
      for (let i = 1; i < DATA_WORDS; i++)
        if (snapshot[i] !== snapshot[0]) throw new Error('bench: a seqcount reader accepted a mixed snapshot');
    },
    write(got) {
      spinLock(task, lock);
      got();
      writeSeqBegin(task, second);
      for (let i = 0; i < DATA_WORDS; i++) store(task, at(data, i), load(task, at(data, i)) + 1);
      writeSeqEnd(task, second);
      spinUnlock(task, lock);
    },
  };
}

async function peerMutex(place: Place): Promise<Contender> {
  const { Mutex } = await loadMultithreading();
  const mutex = new Mutex(undefined, lockWord(place));
  let guard: { dispose(): void };
  return exclusive(
    place,
    () => {
      guard = mutex.blockingLock();
    },
    () => guard.dispose(),
  );
}

async function peerRwLock(place: Place): Promise<Contender> {
  const { RwLock } = await loadMultithreading();
  const lock = new RwLock(undefined, lockWord(place));
  return {
    read(got) {
      const guard = lock.blockingRead();
      got();
      look(place);
      guard.dispose();
    },
    write(got) {
      const guard = lock.blockingWrite();
      got();
      raise(place);
      guard.dispose();
    },
  };
}

/** The peers keep their word at the start of a buffer of its own: the arena's first line, which nothing else uses. */
const lockWord = ({ mem }: Place): SharedArrayBuffer => mem.buffer;

const MAKERS: Readonly<Record<LockName, (place: Place) => Contender | Promise<Contender>>> = {
  'inline-futex': inlineFutex,
  mutex,
  rwsem,
  'mutex-sleeping': mutex,
  'rwsem-sleeping': rwsem,
  spin: (place) =>
    exclusive(
      place,
      () => spinLock(place.task, place.lock),
      () => spinUnlock(place.task, place.lock),
    ),
  seqcount,
  'multithreading-mutex': peerMutex,
  'multithreading-rwlock': peerRwLock,
};
