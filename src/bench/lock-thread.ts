import { workerData } from 'node:worker_threads';
import { createTask, DEFAULT_SPINS } from '../sync/task.ts';
import { histogramAdd } from '../trace/histogram.ts';
import { mixSeed, nextRandom, randomBelow } from '../trace/random.ts';
import { contender, initLock } from './contenders.ts';
import type { CrewTask } from './crew.ts';
import { joinCrew, practise } from './crew-thread.ts';
import { LOCK_FIGURES, LOCKS, type LockJob, lockFigures, lockLayout } from './lock-plan.ts';

/** The time of one operation in so many is taken: a clock read costs more than a free lock. */
const SAMPLE = 16;

const task = workerData as CrewTask<LockJob>;
const { lock: name, read, seed, threads, buffer } = task.job;
const { tid } = task;
const layout = lockLayout(threads);
const f64 = new Float64Array(buffer);
const figures = lockFigures(layout, tid);
const random = { rng: mixSeed(seed, tid) };
const { spins = DEFAULT_SPINS } = LOCKS.find((lock) => lock.name === name) as { readonly spins?: number };
const never = (): void => {};

/** The operations of this thread on a lock in `memory`, counted at `f64[at]`. */
async function operations(memory: SharedArrayBuffer, counts: Float64Array, at: number): Promise<() => void> {
  const mem = new Int32Array(memory);
  const one = await contender(
    name,
    createTask(mem, tid, (layout.regions.task.base + tid * layout.regions.task.stride) as never, null, null, spins),
    mem,
    layout,
  );
  let begun = 0;
  const wait = at + LOCK_FIGURES.wait;
  const got = (): void => histogramAdd(counts, wait, Math.round((performance.now() - begun) * 1e6));
  return () => {
    const reads = randomBelow(random, 100) < read;
    const timed = (nextRandom(random) & (SAMPLE - 1)) === 0;
    if (timed) begun = performance.now();
    if (reads) {
      one.read(timed ? got : never);
      counts[at + LOCK_FIGURES.reads] += 1;
    } else {
      one.write(timed ? got : never);
      counts[at + LOCK_FIGURES.writes] += 1;
    }
  };
}

// On a lock of its own: what the others do must not be part of what is counted.
const practice = new SharedArrayBuffer(layout.words * 4);
initLock(name, new Int32Array(practice), layout);
practise(task, await operations(practice, new Float64Array(practice), figures));

joinCrew(task, await operations(buffer, f64, figures));
