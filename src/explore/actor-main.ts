import { parentPort, workerData } from 'node:worker_threads';
import type { Memory } from '../memory/address.ts';
import type { EngineBuffers } from './engine.ts';
import { stepper } from './install.ts';
import { programThread } from './program.ts';
import { schedView } from './sched.ts';
import type { SubjectSpec, SubjectThread } from './subject.ts';

/** What travels to a thread that is explored. */
export interface ActorData {
  readonly granularity: 'lock' | 'atomic';
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
  const mem: Memory = new Int32Array(data.buffers.arena);
  stepper.bind(sched, mem, data.tid);
  const subject = await threadOf(data, mem);
  parentPort?.postMessage('ready');
  stepper.serve(() => subject.prepare());
}

function threadOf({ spec, tid }: ActorData, mem: Memory): Promise<SubjectThread> {
  switch (spec.kind) {
    case 'program':
      return programThread(spec.url, mem, tid);
    case 'litmus':
      throw new Error('not yet');
  }
}
