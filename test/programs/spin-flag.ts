import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr } from '../../src/memory/address.ts';
import { add, load, store } from '../../src/sync/atomics.ts';

const A = 16 as Addr;
const B = 17 as Addr;
const END = 18 as Addr;

/** One thread spins until one of two others has set its flag, and writes down which it saw. */
export const memory = 32;
export const threads: Program['threads'] = [
  (task) => {
    let a = 0;
    let b = 0;
    while (a === 0 && b === 0) {
      a = load(task, A);
      b = load(task, B);
    }
    store(task, END, 1 + a + 2 * b);
  },
  (task) => {
    add(task, A, 1);
  },
  (task) => {
    store(task, B, 1);
  },
];
