import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { CellProgress, CellSink, ViolationRecord } from '../../src/results/types.ts';
import { loadScenario, parseScenario } from '../../src/scenario/load.ts';
import type { CellPlan, Role, ThreadPlan } from '../../src/scenario/plan.ts';
import { type ResolveOptions, resolveCells } from '../../src/scenario/resolve.ts';
import { closePool, keepPool, type Pool, takePool } from '../../src/torture/pool.ts';
import { workerUrl } from '../../src/torture/worker-url.ts';
import type { FaultName } from './workers/faulty.ts';

/** A few threads on a few pages, quick to start; `more` replaces or adds members. */
export const SMALL = {
  kind: 'load',
  description: 'small',
  memory: {
    pages: 24,
    files: [{ pages: 8 }],
    areas: [
      { kind: 'anon', at: 0, pages: 16 },
      { kind: 'file', at: 16, pages: 8, file: 0 },
    ],
  },
  hca: { mrs: 4, mrPages: 8, faultTimeoutMs: 20 },
  threads: { madvise: 1, munmap: 1, register: 1 },
  perturb: 'off',
  duration: '300ms',
};

export function smallPlan(more: Readonly<Record<string, unknown>> = {}, options: ResolveOptions = {}): CellPlan {
  // A YAML document may be written as JSON.
  const loaded = parseScenario(JSON.stringify({ ...SMALL, ...more }), 'small.yaml');
  const plan = resolveCells(loaded, { strategies: ['context-count'], seed: 1, ...options })[0]!;
  // Sections without a gap may starve the design: true, known, and not what these tests are about.
  return { ...plan, bounds: { ...plan.bounds, starvationAttempts: 1_000_000 } };
}

/** A scenario that is shipped, for one strategy. */
export function shippedPlan(file: string, strategy: string, options: ResolveOptions = {}): CellPlan {
  const loaded = loadScenario(`${packageRoot()}/scenarios/${file}.yaml`);
  return resolveCells(loaded, { strategies: [strategy], seed: 1, ...options })[0]!;
}

export const withIterations = (plan: CellPlan, iterations: number): CellPlan => ({
  ...plan,
  litmus: { ...plan.litmus!, iterations },
});

/** The plan with faulty threads in place of the first of each given role; a faulty thread is called as its fault is. */
export function withFaults(plan: CellPlan, faults: Partial<Record<Role, FaultName>>): CellPlan {
  const left = new Map(Object.entries(faults));
  const threads = plan.threads.map((thread): ThreadPlan => {
    const fault = left.get(thread.role);
    left.delete(thread.role);
    return fault === undefined ? thread : { ...thread, name: fault };
  });
  if (left.size > 0) throw new Error(`the plan has no ${[...left.keys()].join(', ')}`);
  return { ...plan, threads };
}

const FAULTY = new URL('./workers/faulty.js', import.meta.url);

/** Entry files: the faulty one for `roles`, the real ones for all others. */
export const faultyWorkers =
  (...roles: readonly Role[]) =>
  (role: Role): URL =>
    roles.includes(role) ? FAULTY : workerUrl(role);

export interface Collected extends CellSink {
  readonly records: ViolationRecord[];
  readonly progresses: CellProgress[];
  readonly logs: { readonly level: string; readonly message: string; readonly data: unknown }[];
}

export function collectingSink(): Collected {
  const records: ViolationRecord[] = [];
  const progresses: CellProgress[] = [];
  const logs: Collected['logs'] = [];
  return {
    records,
    progresses,
    logs,
    violation: (record) => records.push(record),
    progress: (progress) => progresses.push(progress),
    log: (level, message, data) => logs.push({ level, message, data }),
  };
}

/** An abort signal that never comes. */
export const forever = (): AbortSignal => new AbortController().signal;

/** The pool that is kept for the next cell of `threads` threads; it stays kept. Takes the arena's content with it. */
export async function keptPool(threads: number): Promise<Pool> {
  const pool = await takePool(threads, 1);
  await keepPool(pool);
  return pool;
}

export { closePool };
export const FAULTY_FILE = fileURLToPath(FAULTY);
