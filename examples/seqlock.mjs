// A sequence lock: a writer makes `seq` odd, writes two words, makes it even again; a reader that finds the same `seq` before and
// after has a snapshot that belongs together. The bug: the reader forgets that an odd `seq` means "a writer is inside".
//
//   odptorture explore examples/seqlock.mjs         finds the mixed snapshot
//   odptorture explore examples/seqlock.mjs#fixed   finds nothing, in all schedules
import { add, cpuRelax, load, store } from 'odptorture/sync';

const SEQ = 0;
const X = 1;
const Y = 2;

function write(task, value) {
  add(task, SEQ, 1);
  store(task, X, value);
  store(task, Y, value);
  add(task, SEQ, 1);
}

/** The `seq` at which a snapshot may begin. */
const beginBroken = (task) => load(task, SEQ);

function beginFixed(task) {
  for (;;) {
    const seq = load(task, SEQ);
    if (seq % 2 === 0) return seq;
    // Odd until the writer writes: the hint says so, and the scheduler does not offer this thread before.
    cpuRelax(task);
  }
}

function read(task, begin) {
  for (;;) {
    const seq = begin(task);
    // Atomic loads: with plain ones each of these reads would be a data race, snapshot or not (try it with --races).
    const x = load(task, X);
    const y = load(task, Y);
    // No `cpuRelax` here: the next round can succeed at once, there is no write to wait for.
    if (load(task, SEQ) === seq) return [x, y];
  }
}

const program = (begin) => ({
  memory: 16,
  threads: [
    function writer(task) {
      write(task, 1);
      write(task, 2);
    },
    function reader(task) {
      const [x, y] = read(task, begin);
      if (x !== y) throw new Error(`a mixed snapshot: x is ${x}, y is ${y}`);
    },
  ],
  names: { seq: SEQ, x: X, y: Y },
});

export default program(beginBroken);
export const fixed = program(beginFixed);
