// The public API.
export type { Strategy } from './odp/strategy.ts';
export { LIVENESS, ORACLE_NAMES, type OracleName } from './oracles/names.ts';
export { junit } from './report/junit.ts';
export { timeline } from './report/timeline.ts';
export { type Summary, summaryJsonSchema, summarySchema, validateSummary } from './results/summary.ts';
export { judgeThreshold, type ThresholdResult } from './results/thresholds.ts';
export type {
  CellFault,
  CellProgress,
  CellResult,
  CellSink,
  LatencyQuantiles,
  Rate,
  Verdict,
  ViolationRecord,
  WindowRecord,
} from './results/types.ts';
export { type ErrorCode, EXIT, formatIssue, type Issue, OdpError, type Position } from './scenario/errors.ts';
export { type LoadedScenario, loadScenario, parseScenario } from './scenario/load.ts';
export * from './scenario/plan.ts';
export { type ResolveOptions, resolveCells } from './scenario/resolve.ts';
export { type LitmusScenario, type LoadScenario, type Scenario, scenarioJsonSchema } from './scenario/schema.ts';
export { parseThreshold, type Threshold } from './scenario/threshold.ts';
export { findStrategy, STRATEGIES } from './strategies/index.ts';
export { closeCells, runCell } from './torture/cell.ts';
export { EXPOSURES } from './trace/counters.ts';
export { POINT_TABLE, type PointName } from './trace/points.ts';
