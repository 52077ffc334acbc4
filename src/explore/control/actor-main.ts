import { parentPort, workerData } from 'node:worker_threads';
import type { Memory } from '../../memory/address.ts';
import { watchMemory } from '../races/race-memory.ts';
import { raceView } from '../races/race-words.ts';
import { programThread } from '../subject/program.ts';
import type { SubjectSpec, SubjectThread } from '../subject/subject.ts';
import type { EngineBuffers } from './engine.ts';
import { detector, stepper } from './install.ts';
import { type Sched, schedView } from './sched.ts';

/** What travels to a thread that is explored. */
export interface ActorData {
  readonly granularity: 'lock' | 'atomic';
  readonly races: boolean;
  readonly spec: SubjectSpec;
  readonly buffers: EngineBuffers;
  readonly tid: number;
  readonly threads: number;
  readonly maxSteps: number;
}

/** The life of one explored thread. */
export async function runActor(): Promise<void> {
  const data = workerData as ActorData;
  const sched = schedView(data.buffers.sched, data.threads, data.maxSteps);
  const arena: Memory = new Int32Array(data.buffers.arena);
  stepper.bind(sched, arena, data.tid);
  const subject = await threadOf(data, watched(data, sched, arena));
  parentPort?.postMessage('ready');
  stepper.serve(() => subject.prepare());
}

/** The arena as the thread's program sees it. */
function watched({ buffers, threads, tid }: ActorData, sched: Sched, arena: Memory): Memory {
  if (detector === null) return arena;
  detector.bind(raceView(buffers.races!, arena.length, threads), sched, arena, tid, stepper);
  return watchMemory(arena, detector);
}

async function threadOf({ spec, tid }: ActorData, mem: Memory): Promise<SubjectThread> {
  switch (spec.kind) {
    case 'program':
      return programThread(spec.url, mem, tid);
    case 'litmus':
      // Loaded when it is wanted: a user's program needs nothing of the model.
      return (await import('../subject/litmus-thread.ts')).openLitmusThread(spec.plan, mem, tid, stepper);
  }
}
