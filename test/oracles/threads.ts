import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { at } from '../../src/memory/address.ts';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { rawLoad, rawNotify, rawStore } from '../../src/sync/atomics.ts';
import { TASK, type WaitKind } from '../../src/sync/task.ts';
import { parkFinished } from '../../src/trace/park.ts';
import type { Bed } from './fixture.ts';

/** One step of a thread's script: what to do, with up to three arguments. */
export type Step = readonly [name: string, a?: number, b?: number, c?: number];

export interface ThreadData {
  readonly plan: CellPlan;
  readonly buffer: SharedArrayBuffer;
  readonly tid: number;
  readonly strategy: string;
  readonly steps: readonly Step[];
}

/** Words, counted from `world.litmusKeys`: how many steps thread i has done, and the signals of a test. */
export const DONE_WORD = 0;
export const SIGNAL_WORD = 24;
/** Words that a test may use as it likes. */
export const FREE_WORD = 40;

const BOUND_MS = 15_000;

export interface Thread {
  readonly tid: number;
  /** Settles with the results of all steps. */
  readonly ended: Promise<readonly unknown[]>;
  /** Steps that are done. */
  done(): number;
  /** Waits until the thread sleeps in the given way, which it says before it does. */
  sleepsIn(kind: WaitKind): Promise<void>;
  stop(): Promise<number>;
}

/** Runs thread `tid` of the bed's cell for real. The bed's own actor of that tid must not be used meanwhile. */
export function startThread(bed: Bed, tid: number, steps: readonly Step[]): Thread {
  const { world, plan } = bed;
  const data: ThreadData = {
    plan,
    buffer: world.mem.buffer,
    tid,
    strategy: world.strategy.name,
    steps,
  };
  const worker = new Worker(new URL('./model-worker.js', import.meta.url), { workerData: data });
  const ended = new Promise<readonly unknown[]>((resolve, reject) => {
    worker.once('message', resolve);
    worker.once('error', reject);
  });
  // A test that fails before it waits for the thread must not leave a rejection behind.
  const inTime = Promise.race([ended, bounded(`thread ${tid} did not end`)]);
  inTime.catch(() => {});
  return {
    tid,
    ended: inTime,
    done: () => rawLoad(world.mem, at(world.litmusKeys, DONE_WORD + tid)),
    sleepsIn: (kind) => until(() => waitKindOf(bed, tid) === kind, `thread ${tid} did not sleep in ${kind}`),
    stop: () => worker.terminate(),
  };
}

async function bounded(message: string): Promise<never> {
  await sleep(BOUND_MS, undefined, { ref: false });
  throw new Error(message);
}

export const waitKindOf = (bed: Bed, tid: number): number => bed.world.mem[bed.world.taskAddr(tid) + TASK.waitKind]!;

/** Polls until `condition` holds. */
export async function until(condition: () => boolean, message: string): Promise<void> {
  const end = performance.now() + BOUND_MS;
  while (!condition()) {
    if (performance.now() > end) throw new Error(message);
    await sleep(1);
  }
}

export function signal(bed: Bed, i: number): void {
  const word = at(bed.world.litmusKeys, SIGNAL_WORD + i);
  rawStore(bed.world.mem, word, 1);
  rawNotify(bed.world.mem, word, Number.POSITIVE_INFINITY);
}

/** Says that the threads of the plan that a test does not start take no part. */
export function absent(bed: Bed, ...tids: readonly number[]): void {
  for (const tid of tids) parkFinished(bed.actors[tid]!, bed.world.control, bed.world.parkWords[tid]!);
}

/** Runs `body` with threads that are stopped when it is over, whatever happens. */
export async function withThreads(threads: readonly Thread[], body: () => Promise<void>): Promise<void> {
  try {
    await body();
  } finally {
    await Promise.all(threads.map((t) => t.stop()));
  }
}
