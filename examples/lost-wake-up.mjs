// One thread sleeps until another says that the work is done. The wake-up is lost when it comes between the sleeper's look at the
// flag and its sleep: nobody wakes it again. On real threads that window is some nanoseconds wide; here it is one of a few schedules.
//
//   odptorture explore examples/lost-wake-up.mjs         finds the deadlock
//   odptorture explore examples/lost-wake-up.mjs#fixed   finds nothing, in all schedules
import { add, load, notify, store, wait } from 'odptorture/sync';

const DONE = 0;
const SIGNAL = 1; // the word that the sleeper sleeps on
const RESULT = 2;

function sleeperBroken(task) {
  // `wait` compares before it sleeps, but SIGNAL never changes: the comparison always says "sleep".
  while (load(task, DONE) === 0) wait(task, SIGNAL, 0, Number.POSITIVE_INFINITY);
}

function wakerBroken(task) {
  store(task, DONE, 1);
  notify(task, SIGNAL, 1);
}

function sleeperFixed(task) {
  for (;;) {
    // The ticket first, then the look: a wake-up after the look has moved SIGNAL, and `wait` returns at once.
    const ticket = load(task, SIGNAL);
    if (load(task, DONE) !== 0) return;
    wait(task, SIGNAL, ticket, Number.POSITIVE_INFINITY);
  }
}

function wakerFixed(task) {
  store(task, DONE, 1);
  add(task, SIGNAL, 1);
  notify(task, SIGNAL, 1);
}

const program = (sleepUntilDone, wakeUp) => ({
  memory: 16,
  threads: [
    function sleeper(task) {
      sleepUntilDone(task);
      // A plain read, and no data race: the waker wrote it before DONE, and this thread has seen DONE.
      if (task.mem[RESULT] !== 42) throw new Error(`woken too early: the result is ${task.mem[RESULT]}`);
    },
    function waker(task) {
      task.mem[RESULT] = 42;
      wakeUp(task);
    },
  ],
  names: { done: DONE, signal: SIGNAL, result: RESULT },
});

export default program(sleeperBroken, wakerBroken);
export const fixed = program(sleeperFixed, wakerFixed);
