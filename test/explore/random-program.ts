import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr, Memory } from '../../src/memory/address.ts';
import { add, compareExchange, load, notify, store, wait } from '../../src/sync/atomics.ts';
import { mutexInit, mutexLock, mutexTrylock, mutexUnlock } from '../../src/sync/mutex.ts';
import {
  downgradeWrite,
  downRead,
  downReadTrylock,
  downWrite,
  downWriteTrylock,
  rwsemInit,
  upRead,
  upWrite,
} from '../../src/sync/rw-semaphore.ts';
import type { Task } from '../../src/sync/task.ts';
import {
  codeWords,
  INSTRUCTION as I,
  MEMORY_WORDS,
  RESULT,
  randomCode,
  resultOf,
  VAR,
  WORDS,
} from './random-program-code.ts';

/**
 * A small random program, made from the seed in this module's URL (`?seed=7&threads=3`). What its threads do stands in the shared
 * memory, so that one engine can run another program by writing another code: see `setupCode`.
 */
const query = new URL(import.meta.url).searchParams;
const seed = Number(query.get('seed') ?? 1);
// The test runner's own import drops the query: memory for as many threads as any test has.
const count = Number(query.get('threads') ?? 3);

export const memory = MEMORY_WORDS;

export const setupCode = (mem: Memory, code: readonly (readonly number[])[]): void => {
  mutexInit(mem, WORDS.mutexes[0], 0);
  mutexInit(mem, WORDS.mutexes[1], 0);
  rwsemInit(mem, WORDS.rwsem, 0);
  code.forEach((words, tid) => {
    mem.set([words.length, ...words], codeWords(tid));
  });
};

export const setup = (mem: Memory): void => setupCode(mem, randomCode(seed, count));

/** Where each thing is, by the number that the code has for it. */
const variable = (n: number): Addr => (VAR + n) as Addr;

type Step = (task: Task, object: number, value: number, acc: number) => number;
/** A step without a result leaves what was read last. */
const quiet =
  (step: (task: Task, object: number, value: number) => void): Step =>
  (task, object, value, acc) => {
    step(task, object, value);
    return acc;
  };
const mutex = (n: number): Addr => WORDS.mutexes[n];

const STEPS: Record<number, Step> = {
  [I.load]: (task, v) => load(task, variable(v)),
  [I.store]: quiet((task, v, value) => store(task, variable(v), value)),
  [I.add]: (task, v, value) => add(task, variable(v), value),
  [I.cas]: (task, v, value) => compareExchange(task, variable(v), value, value + 2),
  [I.lock]: quiet((task, m) => mutexLock(task, mutex(m))),
  [I.unlock]: quiet((task, m) => mutexUnlock(task, mutex(m))),
  [I.downRead]: quiet((task) => downRead(task, WORDS.rwsem)),
  [I.upRead]: quiet((task) => upRead(task, WORDS.rwsem)),
  [I.downWrite]: quiet((task) => downWrite(task, WORDS.rwsem)),
  [I.upWrite]: quiet((task) => upWrite(task, WORDS.rwsem)),
  [I.downgrade]: quiet((task) => downgradeWrite(task, WORDS.rwsem)),
  [I.wait]: (task, v, value) => wait(task, variable(v), value, Number.POSITIVE_INFINITY).length,
  [I.waitTimed]: (task, v, value) => wait(task, variable(v), value, 1).length,
  [I.notify]: (task, v, value) => notify(task, variable(v), value),
};

/** Trylocks: what fails skips the section behind it. */
const TRIES: Record<number, (task: Task, object: number) => boolean> = {
  [I.trylock]: (task, m) => mutexTrylock(task, mutex(m)),
  [I.readTrylock]: (task) => downReadTrylock(task, WORDS.rwsem),
  [I.writeTrylock]: (task) => downWriteTrylock(task, WORDS.rwsem),
};

function run(task: Task, tid: number): void {
  const { mem } = task;
  const from = codeWords(tid) + 1;
  const end = from + mem[from - 1];
  let acc = 0;
  let result = 0;
  for (let at = from; at < end; at += 3) {
    const op = mem[at];
    const object = mem[at + 1];
    const value = mem[at + 2];
    if (op === I.skipUnlessOdd) at += (acc & 1) === 0 ? 3 * value : 0;
    else if (op === I.assert) {
      if (acc === value) throw new Error(`T${tid + 1} read ${acc}`);
    } else if (op in TRIES) {
      acc = TRIES[op](task, object) ? 1 : 0;
      if (acc === 0) at += 3 * value;
    } else acc = STEPS[op](task, object, value, acc);
    // Plain, and its own: what a thread has seen is part of the state at the end.
    result = (Math.imul(result, 31) + acc + op) | 0;
    mem[resultOf(tid)] = result;
  }
}

/** Variables, and what each thread has seen. */
export const stateOf = (mem: Memory): string => mem.subarray(VAR, RESULT + 3).join(' ');

export const threads: Program['threads'] = Array.from({ length: count }, (_, tid) => (task: Task) => run(task, tid));
