import type { Program } from '../../../src/explore/subject/program.ts';
import type { Addr } from '../../../src/memory/address.ts';
import { load } from '../../../src/sync/atomics.ts';
import { WAIT_QUEUE, waitOn, waitQueueInit, wakeUpAll } from '../../../src/sync/wait-queue.ts';

/** Steps that creating a thread takes besides the one that lets it begin. */
const STEPS = 5;

/**
 * The same program with one thread more, which lets the others begin one after the other, as published ones do with pthread_create.
 * That says nothing about the bug, and everything about how early a thread can come: a random walk hardly ever gets the last thread
 * into the first steps of the first.
 */
export function created(program: Program): Program {
  const gates = program.memory;
  const gate = (i: number): Addr => (gates + i * WAIT_QUEUE.$words) as Addr;
  const own = gate(program.threads.length);
  return {
    ...program,
    memory: own + 1,
    setup(mem) {
      program.setup?.(mem);
      program.threads.forEach((_, i) => {
        waitQueueInit(mem, gate(i));
      });
    },
    threads: [
      (task) => {
        program.threads.forEach((_, i) => {
          wakeUpAll(task, gate(i));
          for (let step = 0; step < STEPS; step++) load(task, own);
        });
      },
      ...program.threads.map((body, i) => (task: Parameters<typeof body>[0]) => {
        waitOn(task, gate(i), 0);
        body(task);
      }),
    ],
  };
}
