import { Worker } from 'node:worker_threads';
import {
  type Addr,
  COMPLETION,
  createArena,
  createTask,
  type HeldMode,
  heldAddr,
  heldMode,
  layoutArena,
  type Memory,
  MUTEX,
  RW_SEMAPHORE,
  SEQ_COUNT,
  SPIN_LOCK,
  type SyncHooks,
  srcuWords,
  TASK,
  type Task,
  WAIT_QUEUE,
} from '../../src/sync/index.ts';
import { DEFAULT_SPINS } from '../../src/sync/task.ts';

export const MAX_THREADS = 13;
/** Words of plain data that the threads of a test share, and the slots of the SRCU test. */
export const DATA_WORDS = 64;

const LAYOUT = layoutArena([
  { name: 'task', words: TASK.$words, count: MAX_THREADS, line: true },
  { name: 'mutex', words: MUTEX.$words, count: 2 },
  { name: 'rwsem', words: RW_SEMAPHORE.$words, count: 2 },
  { name: 'spin', words: SPIN_LOCK.$words, count: 2 },
  { name: 'seq', words: SEQ_COUNT.$words, count: 1 },
  { name: 'completion', words: COMPLETION.$words, count: 2 },
  { name: 'queue', words: WAIT_QUEUE.$words, count: 2 },
  { name: 'srcu', words: srcuWords(MAX_THREADS), count: 1 },
  { name: 'data', words: DATA_WORDS, count: 1 },
  { name: 'control', words: 16, count: MAX_THREADS, line: true },
]);

/** Where everything is; the same in each thread of a test. */
export const AT = {
  mutex: LAYOUT.regions.mutex.base,
  rwsem: LAYOUT.regions.rwsem.base,
  rwsem2: (LAYOUT.regions.rwsem.base + RW_SEMAPHORE.$words) as Addr,
  spin: LAYOUT.regions.spin.base,
  seq: LAYOUT.regions.seq.base,
  completion: LAYOUT.regions.completion.base,
  completion2: (LAYOUT.regions.completion.base + COMPLETION.$words) as Addr,
  queue: LAYOUT.regions.queue.base,
  queue2: (LAYOUT.regions.queue.base + WAIT_QUEUE.$words) as Addr,
  srcu: LAYOUT.regions.srcu.base,
  data: LAYOUT.regions.data.base,
  control: (tid: number): Addr => (LAYOUT.regions.control.base + tid * LAYOUT.regions.control.stride) as Addr,
  task: (tid: number): Addr => (LAYOUT.regions.task.base + tid * LAYOUT.regions.task.stride) as Addr,
};

export const newMemory = (): Memory => createArena(LAYOUT);
export const taskFor = (mem: Memory, tid: number, hooks: SyncHooks | null = null, spins = DEFAULT_SPINS): Task =>
  createTask(mem, tid, AT.task(tid), hooks, null, spins);

export interface Hold {
  readonly addr: number;
  readonly mode: HeldMode;
}

/** The holds that a thread has published, oldest first. */
export function holdsOf(mem: Memory, tid: number): Hold[] {
  const t = AT.task(tid);
  const holds: Hold[] = [];
  for (let i = 0; i < mem[t + TASK.heldCount]; i++) {
    const word = mem[t + TASK.held + i];
    holds.push({ addr: heldAddr(word), mode: heldMode(word) });
  }
  return holds;
}

export interface PublishedWait {
  readonly kind: number;
  readonly addr: number;
  readonly timed: boolean;
}

/** What a thread has published that it waits for. */
export function waitOf(mem: Memory, tid: number): PublishedWait {
  const t = AT.task(tid);
  return {
    kind: mem[t + TASK.waitKind],
    addr: mem[t + TASK.waitAddr],
    timed: mem[t + TASK.waitTimed] === 1,
  };
}

/** Looks again and again, without blocking this thread, until `condition` holds; throws with `what` after `ms`. */
export async function until(what: string, condition: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!condition()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
}

export interface HammerData {
  readonly mem: Memory;
  readonly role: string;
  readonly tid: number;
  readonly threads: number;
  readonly rounds: number;
  /** `Task.spins`. */
  readonly spins: number;
}

/**
 * Runs one worker for each role and waits until all have said what they found (null: nothing wrong). A worker that does not
 * end within `ms`, as after a lost wake-up, is an error that names who waited for what.
 */
export async function hammer(
  mem: Memory,
  roles: readonly string[],
  rounds: number,
  spins = DEFAULT_SPINS,
  ms = 30_000,
): Promise<void> {
  const findings: string[] = [];
  const running = new Set(roles.keys());
  const workers = roles.map((role, tid) => {
    const workerData: HammerData = { mem, role, tid, threads: roles.length, rounds, spins };
    const worker = new Worker(new URL('./hammer-worker.js', import.meta.url), { workerData });
    worker.on('message', (finding: string | null) => {
      if (finding !== null) findings.push(`${role} ${tid}: ${finding}`);
    });
    worker.on('error', (error) => findings.push(`${role} ${tid}: ${error.stack ?? error.message}`));
    worker.on('exit', () => running.delete(tid));
    return worker;
  });
  try {
    await until('all threads end', () => running.size === 0, ms);
  } catch (error) {
    for (const tid of running) findings.push(`${roles[tid]} ${tid} still waits: ${JSON.stringify(waitOf(mem, tid))}`);
    findings.push(String(error));
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  if (findings.length > 0) throw new Error(findings.join('\n'));
}
