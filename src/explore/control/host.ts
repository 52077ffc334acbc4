import { existsSync } from 'node:fs';
import { Worker } from 'node:worker_threads';
import type { Subject, SubjectSpec } from '../subject/subject.ts';
import type { ActorData } from './actor-main.ts';
import { createBuffers, Engine, type EngineOptions } from './engine.ts';

export interface HostOptions extends EngineOptions {
  readonly granularity: 'lock' | 'atomic';
}

/** An engine with its threads. */
export interface Host {
  readonly engine: Engine;
  readonly subject: Subject;
  /** Rejects with what a thread threw outside of a schedule, as when its module cannot be loaded. */
  readonly failed: Promise<never>;
  close(): Promise<void>;
}

/** The built entry of an explored thread. */
function entryUrl(): URL {
  const url = new URL('../../../workers/explore.js', import.meta.url);
  if (!existsSync(url)) throw new Error("the built worker 'explore' is missing: run 'npm run build'");
  return url;
}

/** Starts the threads of a subject; resolves when all of them run. */
export async function openHost(spec: SubjectSpec, subject: Subject, options: HostOptions): Promise<Host> {
  const buffers = createBuffers(options, subject.words);
  const engine = new Engine(buffers, options, (mem) => subject.setup(mem), subject.resetWords);
  const workers = Array.from({ length: options.threads }, (_, tid) => {
    const workerData: ActorData = {
      granularity: options.granularity,
      races: options.races === true,
      spec,
      buffers,
      tid,
      threads: options.threads,
      maxSteps: options.maxSteps,
    };
    return new Worker(entryUrl(), { workerData });
  });
  const failed = new Promise<never>((_, reject) => {
    for (const worker of workers) worker.on('error', reject);
  });
  // Whoever waits for it is told; nobody has to.
  failed.catch(() => {});
  const close = async (): Promise<void> => {
    engine.stop();
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  try {
    await Promise.race([failed, Promise.all(workers.map(online))]);
  } catch (error) {
    await close();
    throw error;
  }
  return { engine, subject, failed, close };
}

const online = (worker: Worker): Promise<void> => new Promise((resolve) => worker.once('message', () => resolve()));
