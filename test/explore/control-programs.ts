import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr, Memory } from '../../src/memory/address.ts';
import { add, compareExchange, load, notify, store, wait } from '../../src/sync/atomics.ts';
import { complete, completionInit, waitForCompletion, waitForCompletionTimeout } from '../../src/sync/completion.ts';
import { mutexInit, mutexLock, mutexTrylock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downRead, downWrite, rwsemInit, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import { readSeqBegin, readSeqRetry, seqCountInit, writeSeqBegin, writeSeqEnd } from '../../src/sync/seq-count.ts';
import { spinLock, spinLockInit, spinUnlock } from '../../src/sync/spin-lock.ts';
import { srcuInit, srcuReadLock, srcuReadUnlock, srcuWords, synchronizeSrcu } from '../../src/sync/srcu.ts';
import type { Task } from '../../src/sync/task.ts';
import { waitOn, waitPrepare, waitQueueInit, wakeUpAll } from '../../src/sync/wait-queue.ts';

/** Small programs whose behaviour under control is known; each is an export, `control-programs.js#deadlock`. */
const A = 16 as Addr;
const B = 64 as Addr;
const C = 128 as Addr;
const X = 256 as Addr;
const Y = 257 as Addr;
const Z = 258 as Addr;

type Body = (task: Task) => void;
const program = (threads: Body[], more: Partial<Program> = {}): Program => ({ memory: 512, threads, ...more });
const expectWord = (word: Addr, value: number) => (mem: Memory) =>
  mem[word] === value ? undefined : `${mem[word]} instead of ${value}`;

/** Adds 1 in two steps, under a lock or without. */
function increment(task: Task): void {
  store(task, X, load(task, X) + 1);
}
const locks = (mem: Memory): void => {
  mutexInit(mem, A, 0);
  mutexInit(mem, B, 0);
};

export const lostUpdate = program([increment, increment], { check: expectWord(X, 2) });
export const mutex = (() => {
  const body: Body = (task) => {
    mutexLock(task, A);
    increment(task);
    mutexUnlock(task, A);
  };
  return program([body, body, body], { setup: locks, check: expectWord(X, 3) });
})();
export const spinLocked = (() => {
  const body: Body = (task) => {
    spinLock(task, A);
    increment(task);
    spinUnlock(task, A);
  };
  return program([body, body], { setup: (mem) => spinLockInit(mem, A, 0), check: expectWord(X, 2) });
})();
export const rwsem = (() => {
  const writer: Body = (task) => {
    downWrite(task, A);
    store(task, X, 1);
    store(task, Y, 1);
    upWrite(task, A);
  };
  const reader: Body = (task) => {
    downRead(task, A);
    if (load(task, X) !== load(task, Y)) throw new Error('half written');
    upRead(task, A);
  };
  return program([writer, reader, reader], { setup: (mem) => rwsemInit(mem, A, 0) });
})();
export const deadlock = (() => {
  const body =
    (first: Addr, second: Addr): Body =>
    (task) => {
      mutexLock(task, first);
      mutexLock(task, second);
      mutexUnlock(task, second);
      mutexUnlock(task, first);
    };
  return program([body(A, B), body(B, A)], { setup: locks, names: { left: A, right: B } });
})();
export const trylock = (() => {
  const body: Body = (task) => {
    if (!mutexTrylock(task, A)) return;
    increment(task);
    mutexUnlock(task, A);
  };
  return program([body, body], {
    setup: locks,
    check: (mem) => (mem[X] === 1 || mem[X] === 2 ? undefined : `${mem[X]}`),
  });
})();
export const nestedRead = (() => {
  // The reader asks again for what it holds: fine, unless a writer has queued in between.
  const reader: Body = (task) => {
    downRead(task, A);
    downRead(task, A);
    upRead(task, A);
    upRead(task, A);
  };
  const writer: Body = (task) => {
    downWrite(task, A);
    upWrite(task, A);
  };
  return program([reader, writer], { setup: (mem) => rwsemInit(mem, A, 0), names: { sem: A } });
})();
export const nestedReadInACircle = (() => {
  // One reader holds the semaphore and wants the mutex; the other holds the mutex and asks behind a queued writer.
  const one: Body = (task) => {
    downRead(task, A);
    mutexLock(task, B);
    mutexUnlock(task, B);
    upRead(task, A);
  };
  const two: Body = (task) => {
    mutexLock(task, B);
    downRead(task, A);
    upRead(task, A);
    mutexUnlock(task, B);
  };
  const writer: Body = (task) => {
    downWrite(task, A);
    upWrite(task, A);
  };
  return program([one, two, writer], {
    setup(mem) {
      rwsemInit(mem, A, 0);
      mutexInit(mem, B, 0);
    },
  });
})();
export const waitAndNotify = program(
  [
    (task) => {
      while (load(task, X) === 0) wait(task, X, 0, Number.POSITIVE_INFINITY);
      increment(task);
    },
    (task) => {
      store(task, X, 1);
      notify(task, X, 1);
    },
  ],
  { check: expectWord(X, 2) },
);
export const lostWakeUp = program([
  (task) => {
    // The flag and the word slept on are two: a notify may fall between.
    if (load(task, Y) === 0) wait(task, X, 0, Number.POSITIVE_INFINITY);
  },
  (task) => {
    store(task, Y, 1);
    notify(task, X, 1);
  },
]);
export const firstCome = (() => {
  // Whoever sleeps first is woken first.
  const sleeper =
    (mark: number): Body =>
    (task) => {
      const place = add(task, Y, 1);
      if (wait(task, X, 0, Number.POSITIVE_INFINITY) === 'ok') add(task, (Z + 1 + place) as Addr, mark);
    };
  return program([
    sleeper(1),
    (task) => {
      if (load(task, Y) === 1 && notify(task, X, 1) === 1) store(task, Z, 1);
      store(task, X, 1);
      notify(task, X, 1);
    },
  ]);
})();
export const timedWait = program(
  [
    (task) => {
      if (wait(task, X, 0, 5) === 'timed-out') store(task, Y, 1);
    },
  ],
  { check: expectWord(Y, 1) },
);
export const completion = program(
  [
    (task) => {
      waitForCompletion(task, C);
      increment(task);
    },
    (task) => {
      if (!waitForCompletionTimeout(task, C, 10)) throw new Error('timed out although somebody could run');
      increment(task);
    },
    (task) => {
      complete(task, C);
      complete(task, C);
    },
  ],
  {
    setup: (mem) => completionInit(mem, C),
    check: (mem) => (mem[X] === 1 || mem[X] === 2 ? undefined : `${mem[X]}`),
  },
);
export const waitQueue = program(
  [
    (task) => {
      for (;;) {
        const ticket = waitPrepare(task, C);
        if (load(task, X) !== 0) break;
        waitOn(task, C, ticket);
      }
      increment(task);
    },
    (task) => {
      store(task, X, 1);
      wakeUpAll(task, C);
    },
  ],
  { setup: (mem) => waitQueueInit(mem, C), check: expectWord(X, 2) },
);
export const seqcount = program(
  [
    (task) => {
      writeSeqBegin(task, C);
      store(task, X, 1);
      store(task, Y, 1);
      writeSeqEnd(task, C);
    },
    (task) => {
      for (;;) {
        const seq = readSeqBegin(task, C);
        const x = load(task, X);
        const y = load(task, Y);
        if (readSeqRetry(task, C, seq)) continue;
        if (x !== y) throw new Error('torn');
        break;
      }
    },
  ],
  { setup: (mem) => seqCountInit(mem, C) },
);
export const srcu = program(
  [
    (task) => {
      const idx = srcuReadLock(task, C);
      if (load(task, X) === 0) {
        // Not removed yet when it was looked up: it must live until the section ends.
        if (load(task, Y) !== 0) throw new Error('freed under a reader');
      }
      srcuReadUnlock(task, C, idx);
    },
    (task) => {
      store(task, X, 1);
      synchronizeSrcu(task, C);
      store(task, Y, 1);
    },
  ],
  { memory: 512 + srcuWords(2), setup: (mem) => srcuInit(mem, C, 2, 0) },
);
export const spinning = program(
  [
    (task) => {
      while (load(task, X) === 0);
      add(task, Y, 1);
    },
    (task) => {
      add(task, Y, 1);
      store(task, X, 1);
    },
  ],
  { check: expectWord(Y, 2) },
);
export const spinningForEver = program([
  (task) => {
    while (load(task, X) === 0);
  },
  (task) => {
    store(task, Y, 1);
  },
]);
export const compareAndSwapLoop = (() => {
  const body: Body = (task) => {
    for (;;) {
      const seen = load(task, X);
      if (compareExchange(task, X, seen, seen + 1) === seen) return;
    }
  };
  return program([body, body], { check: expectWord(X, 2) });
})();
export const endless = program([
  (task) => {
    for (;;) add(task, X, 1);
  },
]);
export const noStep = program([
  () => {},
  (task) => {
    store(task, X, 1);
  },
]);
export const blockedOutOfSight = program([
  (task) => {
    load(task, X);
    for (;;);
  },
]);
export const catchesEverything = program(
  [
    (task) => {
      for (let i = 0; i < 3; i++) {
        try {
          mutexLock(task, A);
          load(task, X);
        } catch {}
      }
    },
  ],
  { setup: locks },
);

/** One deadlock of these is closed by a queued writer alone, in a state that the shortest schedules of its class do not pass through. */
export const readersAndWriters = (() => {
  const [r0, r1] = [A, B];
  return program(
    [
      (task) => {
        downWrite(task, r1);
        downWrite(task, r0);
        downRead(task, r0);
        upRead(task, r0);
        upWrite(task, r0);
        upWrite(task, r1);
      },
      (task) => {
        downRead(task, r1);
        downRead(task, r1);
        upRead(task, r1);
        upRead(task, r1);
      },
      (task) => {
        downRead(task, r0);
        downRead(task, r0);
        upRead(task, r0);
        downRead(task, r0);
        upRead(task, r0);
        upRead(task, r0);
      },
    ],
    {
      setup(mem) {
        rwsemInit(mem, r0, 0);
        rwsemInit(mem, r1, 0);
      },
    },
  );
})();
