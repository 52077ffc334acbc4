import { parentPort, workerData } from 'node:worker_threads';
import { slabAlloc, slabFree } from '../../src/memory/slab.ts';
import { testLock } from './depot-lock.ts';
import { FOREIGN_FREES_MIN, type Plan, type Report, viewsOf } from './slab-threads-plan.ts';

/**
 * Allocates, claims the object by its owner word, and puts it into a random mailbox, where any thread may find and free
 * it. A claim that finds another owner means that one object was handed out twice.
 */
const plan = workerData as Plan;
const { mem, slab, owners, mailboxes, words } = viewsOf(plan);
const { tid } = plan;
const arrived = words;
const foreign = words + 1;
const never = words + 2;
const report: Report = { allocated: 0, freed: 0, freedForeign: 0, exhausted: 0, mistakes: [] };

let random = plan.seed + tid * 7919;
const next = (n: number): number => {
  random = (Math.imul(random, 1664525) + 1013904223) >>> 0;
  return Math.floor((random / 2 ** 32) * n);
};
const mistake = (text: string): void => {
  if (report.mistakes.length < 10) report.mistakes.push(text);
};

function give(index: number, word: number): void {
  const owner = Atomics.exchange(mem, owners + index, 0);
  if (owner === 0) mistake(`object ${index} came from mailbox ${word} without an owner`);
  if (owner !== tid + 1) {
    report.freedForeign++;
    Atomics.add(mem, foreign, 1);
  }
  if (!slabFree(mem, slab, tid, index, testLock)) mistake(`object ${index} was free already`);
  report.freed++;
}

Atomics.add(mem, arrived, 1);
Atomics.notify(mem, arrived);
for (let n = 0; n < 2000 && Atomics.load(mem, arrived) < plan.threads; n++)
  Atomics.wait(mem, arrived, Atomics.load(mem, arrived), 5);

// Threads that get a core one after the other exchange next to nothing. So all go on until enough has changed hands,
// and sleep now and then to let another one run; the cap is for a machine where even that does not help.
const enough = (): boolean => Atomics.load(mem, foreign) >= FOREIGN_FREES_MIN;
for (let n = 0; n < plan.rounds || (n < plan.rounds * 20 && !enough()); n++) {
  if (n % 512 === 511) Atomics.wait(mem, never, 0, 0.05);
  const word = mailboxes + next(plan.mailboxes);
  if (next(2) === 0) {
    const index = Atomics.exchange(mem, word, 0);
    if (index !== 0) give(index, word);
    continue;
  }
  const index = slabAlloc(mem, slab, tid, testLock);
  if (index === 0) {
    report.exhausted++;
    continue;
  }
  report.allocated++;
  const owner = Atomics.compareExchange(mem, owners + index, 0, tid + 1);
  if (owner !== 0) mistake(`object ${index} was handed to ${tid} while ${owner - 1} had it`);
  const replaced = Atomics.exchange(mem, word, index);
  if (replaced !== 0) give(replaced, word);
}
parentPort?.postMessage(report);
