import { Worker } from 'node:worker_threads';
import type { Addr, Memory } from '../memory/address.ts';
import { rawAdd, rawLoad, rawNotify, rawStore } from '../sync/atomics.ts';

/** Words that a crew shares beside its arena: where its threads wait for the start, see the end, and stand aside while `alone` is odd. */
export const GATE = { go: 0 as Addr, stop: 16 as Addr, alone: 17 as Addr, $words: 32 } as const;

/** What each thread of a crew is given. */
export interface CrewTask<J> {
  readonly job: J;
  readonly tid: number;
  readonly gate: SharedArrayBuffer;
  /** How long a thread may practise before it is at the start, milliseconds. */
  readonly practiceMs: number;
}

/** One fixed time on real threads. */
export interface CrewOptions<J, S> {
  /** The built entry of the threads, which calls `joinCrew`. */
  readonly entry: URL;
  readonly threads: number;
  readonly job: J;
  readonly practiceMs: number;
  /** Time after the start that does not count, then the time that does; milliseconds. */
  readonly warmupMs: number;
  readonly cellMs: number;
  /** Readings within the time that counts, the one at its end with it. */
  readonly slices: number;
  /** Reads the figures that the threads keep in shared memory. */
  readonly read: () => S;
  /** After the last reading, before the stop. */
  readonly afterwards?: (crew: CrewAtWork) => Promise<void>;
  /** Called together with the stop: whatever else the threads look at. */
  readonly stop?: () => void;
  readonly signal?: AbortSignal;
}

/** A crew whose threads take turns. */
export interface CrewAtWork {
  /** True: only the first thread goes on. The others have stood aside within a few turns. */
  alone(alone: boolean): void;
  sleep(ms: number): Promise<void>;
}

export interface CrewReading<S> {
  /** Milliseconds since the first reading. */
  readonly atMs: number;
  /** CPU time of this process so far, microseconds: nobody else's work is in it. */
  readonly cpuUs: number;
  readonly figures: S;
}

/** All threads must be at the start, and be gone after the stop, within this time, milliseconds: the machine may be busy. */
const START_MS = 60_000;
const END_MS = 20_000;

/**
 * Starts fresh threads, so that no cell runs code that another has shaped; lets them go all at once; reads their figures after the
 * warm-up and at the end of each slice; stops them. What counts lies between two readings, so that a late timer makes the time longer
 * and no figure wrong. Throws what a thread threw, or says which bound was passed.
 */
export async function runCrew<J, S>(options: CrewOptions<J, S>): Promise<CrewReading<S>[]> {
  const gate = new SharedArrayBuffer(GATE.$words * 4);
  const words = new Int32Array(gate);
  const crew = openCrew(options, gate);
  try {
    await crew.all('ready', START_MS);
    rawStore(words, GATE.go, 1);
    rawNotify(words, GATE.go, Number.POSITIVE_INFINITY);
    const readings = await readAll(options, crew.failed);
    if (options.signal?.aborted !== true) await options.afterwards?.(atWork(words, crew.failed));
    rawStore(words, GATE.stop, 1);
    atWork(words, crew.failed).alone(false);
    options.stop?.();
    await crew.all('done', END_MS);
    return readings;
  } finally {
    await crew.close();
  }
}

function atWork(words: Memory, failed: AbortSignal): CrewAtWork {
  return {
    alone(alone) {
      if (((rawLoad(words, GATE.alone) & 1) !== 0) === alone) return;
      rawAdd(words, GATE.alone, 1);
      rawNotify(words, GATE.alone, Number.POSITIVE_INFINITY);
    },
    sleep: (ms) => sleep(ms, failed),
  };
}

/** A bound was passed: whatever the threads are stuck in, they would be again. */
export class CrewHung extends Error {}

/** What a thread says when it is at the start, and when it has ended its last turn. */
export type CrewWord = 'ready' | 'done';

interface Crew {
  /** Aborted, with the reason, when a thread throws or ends on its own. */
  readonly failed: AbortSignal;
  /** Resolves when all threads have said the word; rejects when one fails or the time is over. */
  all(word: CrewWord, ms: number): Promise<void>;
  close(): Promise<void>;
}

function openCrew<J, S>({ entry, threads, job, practiceMs }: CrewOptions<J, S>, gate: SharedArrayBuffer): Crew {
  const failure = new AbortController();
  const said: Record<CrewWord, number> = { ready: 0, done: 0 };
  let wake = (): void => {};
  const fail = (error: unknown): void => {
    failure.abort(error);
    wake();
  };
  const workers = Array.from({ length: threads }, (_, tid) => {
    const task: CrewTask<J> = { job, tid, gate, practiceMs };
    const worker = new Worker(entry, { workerData: task });
    worker.on('message', (word: CrewWord) => {
      said[word]++;
      wake();
    });
    worker.on('error', fail);
    worker.on('exit', (code) => {
      if (code !== 0) fail(new Error(`a thread ended with code ${code}`));
    });
    return worker;
  });
  return {
    failed: failure.signal,
    async all(word, ms) {
      const until = performance.now() + ms;
      while (said[word] < threads) {
        failure.signal.throwIfAborted();
        const left = until - performance.now();
        if (left <= 0)
          throw new CrewHung(`${threads - said[word]} of ${threads} threads were not ${word} after ${ms / 1000} s`);
        await new Promise<void>((resolve) => {
          const timer = setTimeout(resolve, left);
          wake = () => {
            clearTimeout(timer);
            resolve();
          };
        });
      }
      failure.signal.throwIfAborted();
    },
    async close() {
      for (const worker of workers) worker.removeAllListeners('exit');
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

async function readAll<J, S>(options: CrewOptions<J, S>, failed: AbortSignal): Promise<CrewReading<S>[]> {
  await sleep(options.warmupMs, failed);
  const begun = performance.now();
  const reading = (): CrewReading<S> => {
    const { user, system } = process.cpuUsage();
    return { atMs: performance.now() - begun, cpuUs: user + system, figures: options.read() };
  };
  const readings = [reading()];
  for (let slice = 1; slice <= options.slices && options.signal?.aborted !== true; slice++) {
    await sleep((options.cellMs * slice) / options.slices - (performance.now() - begun), failed);
    readings.push(reading());
  }
  return readings;
}

/** Rejects with the reason when a thread fails meanwhile. */
function sleep(ms: number, failed: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    failed.throwIfAborted();
    const onFail = (): void => {
      clearTimeout(timer);
      reject(failed.reason);
    };
    const timer = setTimeout(
      () => {
        failed.removeEventListener('abort', onFail);
        resolve();
      },
      Math.max(0, ms),
    );
    failed.addEventListener('abort', onFail, { once: true });
  });
}
