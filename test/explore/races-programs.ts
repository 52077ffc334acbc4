import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr, Memory } from '../../src/memory/address.ts';
import {
  add,
  complete,
  completionInit,
  cpuRelax,
  dataRace,
  downgradeWrite,
  downRead,
  downWrite,
  load,
  mutexInit,
  mutexLock,
  mutexTrylock,
  mutexUnlock,
  notify,
  readSeqBegin,
  readSeqRetry,
  rwsemInit,
  seqCountInit,
  spinLock,
  spinLockInit,
  spinUnlock,
  store,
  type Task,
  upRead,
  upWrite,
  wait,
  waitForCompletion,
  waitOn,
  waitPrepare,
  waitQueueInit,
  wakeUpAll,
  writeSeqBegin,
  writeSeqEnd,
} from '../../src/sync/index.ts';

/** Small programs with and without data races; each is one export, named by what it shows. */
const LOCK = 16 as Addr;
const OTHER = 32 as Addr;
const FLAG = 48 as Addr;
export const X = 49 as Addr;
export const Y = 50 as Addr;
const names = { lock: LOCK, other: OTHER, flag: FLAG, x: X, y: Y };

const program = (setup: (mem: Memory) => void, ...threads: ((task: Task) => void)[]): Program => ({
  memory: 64,
  setup,
  threads,
  names,
});
const nothing = (): void => {};
const bump = (task: Task): void => {
  task.mem[X]++;
};

export const unsynchronised = program(nothing, bump, bump);

/** Each reads what the other writes, and neither of them writes the same word twice. */
export const readAndWrite = program(
  nothing,
  (task) => void task.mem[X],
  (task) => {
    task.mem[X] = 1;
  },
);

const mutexed = (task: Task): void => {
  mutexLock(task, LOCK);
  bump(task);
  mutexUnlock(task, LOCK);
};
export const mutexProtected = program((mem) => mutexInit(mem, LOCK, 0), mutexed, mutexed, mutexed);

/** Two locks, one for each of two threads. */
export const wrongLock = program(
  (mem) => {
    mutexInit(mem, LOCK, 0);
    mutexInit(mem, OTHER, 0);
  },
  mutexed,
  (task) => {
    mutexLock(task, OTHER);
    bump(task);
    mutexUnlock(task, OTHER);
  },
);

const spinning = (task: Task): void => {
  spinLock(task, LOCK);
  bump(task);
  spinUnlock(task, LOCK);
};
export const spinProtected = program((mem) => spinLockInit(mem, LOCK, 0), spinning, spinning);

/** Who does not get the lock does not touch the word. */
const trying = (task: Task): void => {
  if (!mutexTrylock(task, LOCK)) return;
  bump(task);
  mutexUnlock(task, LOCK);
};
export const tryProtected = program((mem) => mutexInit(mem, LOCK, 0), trying, trying);

const reader = (task: Task): void => {
  downRead(task, LOCK);
  void task.mem[X];
  upRead(task, LOCK);
};
const writer = (task: Task): void => {
  downWrite(task, LOCK);
  bump(task);
  upWrite(task, LOCK);
};
export const rwsemProtected = program((mem) => rwsemInit(mem, LOCK, 0), reader, reader, writer);

/** A reader that has been a writer: what it wrote is ordered before the readers it lets in. */
export const downgraded = program(
  (mem) => rwsemInit(mem, LOCK, 0),
  reader,
  (task) => {
    downWrite(task, LOCK);
    bump(task);
    downgradeWrite(task, LOCK);
    upRead(task, LOCK);
  },
);

/** Readers share: a write under one is not ordered with the others, although each order of the two sections gives a clean run. */
export const writeUnderRead = program(
  (mem) => rwsemInit(mem, LOCK, 0),
  reader,
  (task) => {
    downRead(task, LOCK);
    task.mem[X] = 1;
    upRead(task, LOCK);
  },
);

export const seqCounted = program(
  (mem) => seqCountInit(mem, LOCK),
  (task) => {
    writeSeqBegin(task, LOCK);
    store(task, X, 1);
    store(task, Y, 1);
    writeSeqEnd(task, LOCK);
  },
  (task) => {
    let seq: number;
    let x: number;
    let y: number;
    do {
      seq = readSeqBegin(task, LOCK);
      x = load(task, X);
      y = load(task, Y);
    } while (readSeqRetry(task, LOCK, seq));
    if (x !== y) throw new Error('a mixed snapshot');
  },
);

/** As `seqCounted`, with plain words inside: what the kernel marks, and a race here. */
export const seqCountedPlain = program(
  (mem) => seqCountInit(mem, LOCK),
  (task) => {
    writeSeqBegin(task, LOCK);
    task.mem[X] = 1;
    writeSeqEnd(task, LOCK);
  },
  (task) => {
    let seq: number;
    do {
      seq = readSeqBegin(task, LOCK);
      void task.mem[X];
    } while (readSeqRetry(task, LOCK, seq));
  },
);

export const waitAndNotify = program(
  nothing,
  (task) => {
    task.mem[X] = 1;
    store(task, FLAG, 1);
    notify(task, FLAG, 1);
  },
  (task) => {
    while (load(task, FLAG) === 0) wait(task, FLAG, 0, Number.POSITIVE_INFINITY);
    if (task.mem[X] !== 1) throw new Error('not handed over');
  },
);

/** Ordered by the wake-up alone: the notifier's word is not the one that was written. */
export const notifyOnly = program(
  nothing,
  (task) => {
    task.mem[X] = 1;
    while (notify(task, FLAG, 1) === 0) cpuRelax(task);
  },
  (task) => {
    wait(task, FLAG, 0, Number.POSITIVE_INFINITY);
    void task.mem[X];
  },
);

export const completed = program(
  (mem) => completionInit(mem, LOCK),
  (task) => {
    task.mem[X] = 1;
    complete(task, LOCK);
  },
  (task) => {
    waitForCompletion(task, LOCK);
    task.mem[X]++;
  },
);

export const queued = program(
  (mem) => waitQueueInit(mem, LOCK),
  (task) => {
    task.mem[X] = 1;
    store(task, FLAG, 1);
    wakeUpAll(task, LOCK);
  },
  (task) => {
    for (;;) {
      const ticket = waitPrepare(task, LOCK);
      if (load(task, FLAG) !== 0) break;
      waitOn(task, LOCK, ticket);
    }
    task.mem[X]++;
  },
);

export const flagged = program(
  nothing,
  (task) => {
    task.mem[X] = 1;
    store(task, FLAG, 1);
  },
  (task) => {
    while (load(task, FLAG) === 0) cpuRelax(task);
    task.mem[X]++;
  },
);

/** The last store to the flag is another thread's, and that thread knows nothing of X. */
export const flaggedByAnother = program(
  nothing,
  (task) => {
    task.mem[X] = 1;
    store(task, FLAG, 1);
  },
  (task) => store(task, FLAG, 2),
  (task) => {
    if (load(task, FLAG) === 2) void task.mem[X];
  },
);

/** A read-modify-write passes on what the store before it published. */
export const countedUp = program(
  nothing,
  (task) => {
    task.mem[X] = 1;
    add(task, FLAG, 1);
  },
  (task) => void add(task, FLAG, 1),
  (task) => {
    if (load(task, FLAG) === 2) void task.mem[X];
  },
);

export const plainAndAtomic = program(
  nothing,
  (task) => store(task, X, 1),
  (task) => void task.mem[X],
);
export const atomicOnly = program(
  nothing,
  (task) => store(task, X, 1),
  (task) => store(task, X, 2),
  (task) => {
    load(task, X);
    add(task, X, 1);
  },
);
export const plainReads = program(
  nothing,
  (task) => void task.mem[X],
  (task) => void load(task, X),
);

/** The race of `plainAndAtomic`, declared. */
export const declared = program(
  nothing,
  (task) => store(task, X, 1),
  (task) => void dataRace(task.mem, X),
);

export const filled = program(
  nothing,
  (task) => void task.mem.fill(1, X, X + 2),
  (task) => void task.mem[Y],
);

/** The detector does not see what goes through another array; it says how often that was possible. */
export const escaping = program(
  nothing,
  (task) => {
    task.mem.subarray(X)[0] = 1;
  },
  bump,
);
