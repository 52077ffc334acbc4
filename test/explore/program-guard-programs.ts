import type { Program } from '../../src/explore/subject/program.ts';
import { type Addr, load, store, type Task } from '../../src/sync/index.ts';

/** Programs that cannot be explored: one thread each does what the scheduler cannot see or repeat. */
const X = 0 as Addr;

const program = (body: (task: Task) => unknown): Program => ({
  memory: 16,
  threads: [
    (task) => {
      store(task, X, 1);
      return body(task) as undefined;
    },
    (task) => store(task, X, 2),
  ],
});

export const atomicsLoad = program((task) => Atomics.load(task.mem, X));
export const atomicsWait = program((task) => Atomics.wait(task.mem, X, 7, 0));
export const atomicsSub = program((task) => Atomics.sub(task.mem, X, 1));
/** Another view of the same words. */
export const otherView = program((task) => Atomics.add(new Int32Array(task.mem.buffer), X, 1));
export const dateNow = program(() => Date.now());
export const newDate = program(() => new Date());
export const dateCall = program(() => Date());
export const performanceNow = program(() => performance.now());
export const hrtime = program(() => process.hrtime());
export const hrtimeBigint = program(() => process.hrtime.bigint());
export const mathRandom = program(() => Math.random());
export const randomValues = program(() => crypto.getRandomValues(new Uint8Array(4)));
export const timeout = program(() => setTimeout(() => {}, 0));
export const microtask = program(() => queueMicrotask(() => {}));
export const promised = program(() => Promise.resolve(1));

/** What a program may do: its own buffers, fixed dates, and a time of its own at load. */
const loadedAt = Date.now();
const own = new Int32Array(new SharedArrayBuffer(8));
export const allowed = program((task) => {
  Atomics.add(own, 0, 1);
  if (new Date(0).getTime() !== 0 || loadedAt === 0 || !(new Date(5) instanceof Date))
    throw new Error('guarded too much');
  load(task, X);
});
