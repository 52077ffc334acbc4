import { load, store } from '../../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../../src/sync/mutex.ts';
import type { Task } from '../../../src/sync/task.ts';
import { layout } from './layout.ts';

/**
 * account: one thread deposits, one withdraws, one checks the balance once both are done. The locks are right; the sum that the check
 * expects is not, which shows only when the check comes last.
 *
 * Published with 4 threads: these three and the one that makes them.
 */
const START = 1;
const DEPOSIT = 2;
const WITHDRAWAL = 4;

export const { memory, setup, names, ...words } = layout(['m'], { balance: START, deposited: 0, withdrawn: 0 });
const { at } = words;
const M = at('m');
const BALANCE = at('balance');
const DEPOSITED = at('deposited');
const WITHDRAWN = at('withdrawn');

function deposit(task: Task): void {
  mutexLock(task, M);
  store(task, BALANCE, load(task, BALANCE) + DEPOSIT);
  store(task, DEPOSITED, 1);
  mutexUnlock(task, M);
}

function withdraw(task: Task): void {
  mutexLock(task, M);
  store(task, BALANCE, load(task, BALANCE) - WITHDRAWAL);
  store(task, WITHDRAWN, 1);
  mutexUnlock(task, M);
}

function check(task: Task): void {
  mutexLock(task, M);
  if (load(task, DEPOSITED) !== 0 && load(task, WITHDRAWN) !== 0) {
    const balance = load(task, BALANCE);
    if (balance !== START - DEPOSIT - WITHDRAWAL) throw new Error(`balance of ${balance}`);
  }
  mutexUnlock(task, M);
}

export const threads = [check, deposit, withdraw];
