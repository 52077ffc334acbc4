import { parseScenario } from '../../scenario/load.ts';
import type { CellPlan } from '../../scenario/plan.ts';
import { resolveCells } from '../../scenario/resolve.ts';
import { STRATEGIES } from '../../strategies/index.ts';
import { strategyOf } from '../../world/strategy-of.ts';
import type { HostOptions } from '../control/host.ts';
import { Pool } from '../pipeline/coordinator.ts';
import { Pipeline, type PipelineFound, type PipelineState, startState } from '../pipeline/pipeline.ts';
import type { CoverageWords } from '../pipeline/pipeline-coverage.ts';
import type { ExploreProgress } from '../pipeline/progress.ts';
import type { Draft } from './from-violation.ts';

/** How far the exploration of one draft has come. */
export interface Attempt {
  readonly draft: Draft;
  readonly plan: CellPlan;
  state: PipelineState;
  coverage: CoverageWords | null;
  threads: readonly string[];
  processes: number;
  restarts: number;
  durationMs: number;
}

export interface DraftSearch {
  /** In the order of the drafts. */
  readonly attempts: readonly Attempt[];
  /** The oracle that is looked for. */
  readonly oracle: string;
  readonly options: Omit<HostOptions, 'threads'>;
  readonly durationMs: number;
  readonly seed: number;
  /** Core of each process. */
  readonly cores: readonly number[];
  readonly signal: AbortSignal;
  begin(attempt: Attempt, n: number): void;
  progress(progress: ExploreProgress): void;
  note(text: string): void;
}

/** What was found, and in which draft. */
export interface Hit {
  readonly attempt: Attempt;
  readonly found: PipelineFound;
}

/** One cell of a scenario at hand, as `explore` would resolve it. Throws `OdpError` with what is wrong with it. */
export function litmusCell(
  yaml: string,
  name: string,
  of: Pick<CellPlan, 'strategy' | 'strategyFile' | 'params'>,
): CellPlan {
  const { strategy, strategyFile: file, params } = of;
  // A user's own is loaded by now; it is in no registry but this one.
  const own = file === undefined ? undefined : strategyOf(of);
  const registry = own === undefined || file === undefined ? STRATEGIES : [...STRATEGIES, { ...own, file }];
  return resolveCells(parseScenario(yaml, name), { registry, strategies: [strategy], params })[0]!;
}

export const startAttempt = (draft: Draft, plan: CellPlan): Attempt => ({
  draft,
  plan,
  state: startState(),
  coverage: null,
  threads: [],
  processes: 0,
  restarts: 0,
  durationMs: 0,
});

/** Of the time, for a first look at each draft: one that fits shows its violation soon, and one that does not may take for ever. */
const FIRST_LOOK = 0.1;

/** Explores the drafts, in two rounds, until one shows the oracle; null when none does. */
export async function searchDrafts(search: DraftSearch): Promise<Hit | null> {
  const { attempts, durationMs, signal } = search;
  const begun = performance.now();
  const left = (): number => durationMs - (performance.now() - begun);
  for (const round of [0, 1]) {
    let open = attempts.filter(({ state }) => !state.proved);
    for (const attempt of open) {
      const share = round === 0 ? durationMs * FIRST_LOOK : left() / open.length;
      open = open.slice(1);
      if (signal.aborted || left() <= 0) return null;
      await exploreDraft(search, attempt, share);
      const hit = hitOf(attempt, (oracle) => oracle === search.oracle);
      if (hit !== null) return hit;
    }
  }
  return null;
}

/** The best that a draft has shown: the fewest preemptions, then the fewest steps. */
export function hitOf(attempt: Attempt, wanted: (oracle: string) => boolean): Hit | null {
  const [found] = attempt.state.found
    .filter(({ finding }) => wanted(finding.oracle))
    .sort((a, b) => a.preemptions - b.preemptions || a.schedule.length - b.schedule.length);
  return found === undefined ? null : { attempt, found };
}

async function exploreDraft(search: DraftSearch, attempt: Attempt, shareMs: number): Promise<void> {
  const { oracle, options, seed, cores, signal, note } = search;
  const begun = performance.now();
  search.begin(attempt, search.attempts.indexOf(attempt));
  const pool = await Pool.open({ request: { spec: { kind: 'litmus', plan: attempt.plan }, options }, cores, note });
  try {
    const { elapsedMs } = attempt.state;
    const pipeline = new Pipeline(
      pool,
      {
        policy: 'default',
        bound: null,
        schedules: null,
        durationMs: elapsedMs + shareMs,
        seed,
        // Another oracle may speak first; what is behind it is still to be seen.
        stopAtFirst: false,
        wanted: (finding) => finding.oracle === oracle,
        maxSteps: options.maxSteps,
      },
      { signal, progress: search.progress, checkpoint: () => {}, note },
      attempt.state,
    );
    attempt.state = await pipeline.run();
    attempt.coverage = pipeline.covered();
    attempt.threads = pool.facts.names;
    attempt.processes = pool.size;
    attempt.restarts += pool.restarts;
  } finally {
    await pool.close();
    attempt.durationMs += performance.now() - begun;
  }
}
