import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr } from '../../src/memory/address.ts';
import { load, store } from '../../src/sync/atomics.ts';
import { downRead, downWrite, rwsemInit, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';

const SEM = 16 as Addr;
const WORD = 32 as Addr;

/** A reader takes the lock a second time inside; a writer that queues in between closes the circle. */
export const memory = 48;
export const setup: Program['setup'] = (mem) => rwsemInit(mem, SEM, 0);
export const threads: Program['threads'] = [
  (task) => {
    downRead(task, SEM);
    load(task, WORD);
    downRead(task, SEM);
    upRead(task, SEM);
    upRead(task, SEM);
  },
  (task) => {
    downWrite(task, SEM);
    store(task, WORD, 1);
    upWrite(task, SEM);
  },
];
export const names = { sem: SEM, word: WORD };
