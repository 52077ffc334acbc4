import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr } from '../../src/memory/address.ts';
import { add, load, store } from '../../src/sync/atomics.ts';
import { mutexInit, mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import { relax } from '../../src/sync/relax.ts';
import type { Task } from '../../src/sync/task.ts';

/** Programs to record, replay and shrink; each is an export, `replay-programs.js#bystander`. */
const A = 0 as Addr;
const B = 16 as Addr;
const FLAG = 32 as Addr;
const X = 33 as Addr;
const Y = 34 as Addr;

const names = { a: A, b: B, flag: FLAG, x: X, y: Y };
const busy = (word: Addr) => (task: Task) => {
  for (let i = 0; i < 6; i++) add(task, word, 1);
};
const reads = (task: Task): void => {
  if (load(task, FLAG) === 1 && load(task, X) === 0) throw new Error('the flag came before the word');
};

/** The flag is set before the word that it announces; a third thread has nothing to do with it. */
export const bystander: Program = {
  memory: 48,
  names,
  threads: [
    function writer(task) {
      store(task, FLAG, 1);
      store(task, X, 1);
    },
    function reader(task) {
      reads(task);
    },
    busy(Y),
  ],
};

/** The same with the two stores in the right order: the record of `bystander` cannot be followed. */
export const mended: Program = {
  ...bystander,
  threads: [
    function writer(task) {
      store(task, X, 1);
      store(task, FLAG, 1);
    },
    ...bystander.threads.slice(1),
  ],
};

/** As `bystander`, and the reader no longer minds: the same steps, and no finding. */
export const forgiving: Program = {
  ...bystander,
  threads: [
    bystander.threads[0]!,
    function reader(task) {
      if (load(task, FLAG) === 1) load(task, X);
    },
    bystander.threads[2]!,
  ],
};

/** The reader goes on for a step more than that of `forgiving`. */
export const longer: Program = {
  ...bystander,
  threads: [
    bystander.threads[0]!,
    function reader(task) {
      if (load(task, FLAG) === 1) load(task, X);
      load(task, Y);
    },
    bystander.threads[2]!,
  ],
};

/** Two locks in two orders. */
export const twoLocks: Program = {
  memory: 48,
  names,
  setup(mem) {
    mutexInit(mem, A, 0);
    mutexInit(mem, B, 0);
  },
  threads: [lockBoth(A, B), lockBoth(B, A), busy(Y)],
};

function lockBoth(first: Addr, second: Addr): (task: Task) => void {
  return (task) => {
    add(task, X, 1);
    mutexLock(task, first);
    mutexLock(task, second);
    mutexUnlock(task, second);
    mutexUnlock(task, first);
  };
}

/** One word, two things that can be wrong with it. */
export const twoAssertions: Program = {
  memory: 48,
  names,
  threads: [
    (task) => {
      const before = load(task, X);
      store(task, Y, 1);
      if (load(task, X) !== before) throw new Error(`x moved, to ${load(task, X)}`);
    },
    (task) => {
      add(task, X, 5);
      if (load(task, Y) === 0) throw new Error('y is not set');
    },
  ],
};

/** Spins for a flag. */
export const spins: Program = {
  memory: 48,
  names,
  threads: [
    (task) => {
      for (let i = 0; load(task, FLAG) === 0; i++) {
        load(task, X);
        if (i > 40) relax(task);
      }
      throw new Error('the flag was set');
    },
    (task) => {
      add(task, Y, 1);
      store(task, FLAG, 1);
    },
  ],
};
