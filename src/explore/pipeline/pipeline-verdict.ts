import type { PipelineState } from './pipeline.ts';
import type { CoverageWords } from './pipeline-coverage.ts';
import type { Policy } from './pipeline-policy.ts';
import type { Exploration, ExplorePhase, ExploreVerdict, ExploreViolation } from './pipeline-result.ts';

/** All that is known when an exploration has ended. */
export interface Evidence {
  readonly name: string;
  readonly kind: 'program' | 'litmus';
  readonly strategy: string | null;
  readonly threads: readonly string[];
  readonly policy: Policy;
  readonly bound: number | null;
  readonly processes: number;
  readonly restarts: number;
  readonly interrupted: boolean;
  readonly state: PipelineState;
  readonly coverage: CoverageWords | null;
  readonly violations: readonly ExploreViolation[];
  readonly durationMs: number;
  readonly notes: readonly string[];
}

export function explorationOf(evidence: Evidence): Exploration {
  const { state, coverage, violations } = evidence;
  const { tally } = state;
  const phases = mergePhases(state.phases);
  const exploredMs = phases.reduce((sum, phase) => sum + phase.durationMs, 0);
  const { verdict, why } = judge(evidence, phases);
  return {
    name: evidence.name,
    kind: evidence.kind,
    strategy: evidence.strategy,
    threads: [...evidence.threads],
    verdict,
    guarantee: verdict === 'VIOLATED' && !state.proved ? null : guaranteeOf(state, coverage, phases),
    why,
    policy: evidence.policy,
    schedules: tally.schedules,
    steps: tally.steps,
    redundant: tally.redundant,
    cut: tally.cut,
    forced: tally.forced,
    durationMs: evidence.durationMs,
    perSecond: exploredMs > 0 ? (tally.schedules / exploredMs) * 1000 : 0,
    processes: evidence.processes,
    restarts: evidence.restarts,
    coverage,
    phases,
    violations: [...violations],
    interrupted: evidence.interrupted,
    notes: [...evidence.notes],
  };
}

/** A phase that another run went on with is one phase. */
function mergePhases(phases: readonly ExplorePhase[]): ExplorePhase[] {
  const merged = new Map<string, ExplorePhase>();
  for (const phase of phases) {
    const before = merged.get(phase.name);
    merged.set(phase.name, {
      ...phase,
      schedules: phase.schedules + (before?.schedules ?? 0),
      durationMs: phase.durationMs + (before?.durationMs ?? 0),
    });
  }
  return [...merged.values()];
}

interface Judged {
  readonly verdict: ExploreVerdict;
  readonly why: string;
}

function judge({ state, violations, interrupted, policy, bound }: Evidence, phases: readonly ExplorePhase[]): Judged {
  if (violations.length > 0) return { verdict: 'VIOLATED', why: '' };
  if (state.proved) return { verdict: 'PROVED', why: '' };
  const unknown = (why: string): Judged => ({ verdict: 'UNKNOWN', why });
  if (interrupted) return unknown('it was interrupted');
  const { schedules, cut } = state.tally;
  if (schedules === 0) return unknown('no schedule was run');
  if (cut === schedules) return unknown('every schedule reached the step bound: see --max-steps');
  // Who asks for a proof, or for all schedules within a bound, has not got it.
  if (policy === 'dpor' || policy === 'dfs')
    return unknown(
      `the budget ended before the search: ${cut > 0 ? 'schedules reached the step bound, see --max-steps' : 'give it more time'}`,
    );
  if (policy === 'bound' && bound !== null && !phases.some((phase) => phase.name === 'bound' && phase.complete))
    return unknown(`the budget ended before all schedules with at most ${bound} preemptions were explored`);
  return { verdict: 'NO-VIOLATION', why: '' };
}

const grouped = (n: number): string => n.toLocaleString('en-US');

/** What was shown: never more than it was. */
function guaranteeOf(
  state: PipelineState,
  coverage: CoverageWords | null,
  phases: readonly ExplorePhase[],
): string | null {
  const parts: string[] = [];
  if (state.guarantee !== null) parts.push(state.guarantee);
  if (state.proved) return state.guarantee;
  const sampled = phases.filter((phase) => !isTree(phase.name)).reduce((sum, phase) => sum + phase.schedules, 0);
  if (sampled > 0 && coverage !== null) parts.push(`sampled: ${grouped(sampled)} schedules, ${coverageText(coverage)}`);
  const cut = phases.filter((phase) => isTree(phase.name) && !phase.complete && phase.schedules > 0);
  for (const { name, schedules } of cut) parts.push(`${name} not to its end: ${grouped(schedules)} schedules`);
  if (state.tally.cut > 0) parts.push(`${grouped(state.tally.cut)} schedules ended at the step bound`);
  return parts.length === 0 ? null : parts.join('; ');
}

/** Distinct executions seen, of how many; the estimate is a lower bound. */
function coverageText({ distinct, atLeast, estimate, share }: CoverageWords): string {
  const seen = `${atLeast ? 'at least ' : ''}${grouped(distinct)} distinct of an estimated ${grouped(Math.ceil(estimate))} or more`;
  const percent = share * 100;
  // A sample is never the whole, whatever the estimate says.
  return `${seen}, estimated share of what this sampler draws ${percent >= 99.95 ? 'above 99.9' : percent.toFixed(1)} %`;
}

const isTree = (name: string): boolean => name === 'bound' || name === 'dpor' || name === 'dfs';
