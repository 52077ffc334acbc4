import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr, Task } from '../../src/sync/index.ts';
import { store } from '../../src/sync/index.ts';

/** Modules that are no programs, and programs with odd threads. */
const X = 0 as Addr;
const step = (task: Task): void => store(task, X, 1);
const good: Program = { memory: 16, threads: [step], names: { x: X } };

export const noMemory = { threads: [step] };
export const halfWord = { memory: 1.5, threads: [step] };
export const noThreads = { memory: 16, threads: [] };
export const tooMany = { memory: 16, threads: Array.from({ length: 31 }, () => step) };
export const notFunctions = { memory: 16, threads: [step, 'step'] };
export const asynchronous = { memory: 16, threads: [async () => {}] };
export const generator = {
  memory: 16,
  threads: [
    function* () {
      yield 1;
    },
  ],
};
export const badCheck = { ...good, check: 'yes' };
export const badName = { ...good, names: { y: 16 } };
export const everything = { memory: 0, threads: {}, setup: 1, names: [] };
export { good };

/** Throws before its first step. */
export const throwsAtOnce: Program = {
  memory: 16,
  threads: [
    step,
    () => {
      throw new Error('at once');
    },
  ],
};
