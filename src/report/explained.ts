import type { MinimalLitmus } from '../explore/explain/explain-minimal.ts';
import type { Attempt } from '../explore/explain/explain-search.ts';
import { describeFound } from '../explore/replay/replay-record.ts';
import type { ViolationRecord } from '../results/types.ts';
import { formatDuration } from '../scenario/duration.ts';
import { raceColumns } from './explore-columns.ts';
import { REPLAY_FILE } from './explore-result.ts';
import { grouped, wrapText } from './format.ts';
import type { Style } from './style.ts';

export const LITMUS_FILE = 'litmus.yaml';

export interface ExplainedOptions {
  readonly style: Style;
  readonly width: number;
  /** Folder beside the violation, as a command line in the working folder names it. */
  readonly folder: string;
}

/** What is to be explained. */
export const violationLines = (
  record: ViolationRecord,
  { style, width }: Pick<ExplainedOptions, 'style' | 'width'>,
) => [
  '',
  style.bold(
    `${record.oracle} #${record.nth} of ${record.strategy}, scenario ${record.scenario}, seed ${record.seed}, free threads`,
  ),
  ...wrapText(record.detail, width - 2).map((line) => `  ${line}`),
  '',
];

/** What one draft has shown. */
export function attemptLine(attempt: Attempt, n: number, oracle: string): string {
  const { state, draft, durationMs } = attempt;
  const others = [...new Set(state.found.map(({ finding }) => finding.oracle))].filter((name) => name !== oracle);
  const same = state.found.find(({ finding }) => finding.oracle === oracle);
  const also = others.length === 0 ? '' : `${same === undefined ? 'only' : '; also'} ${others.join(', ')}`;
  const shown =
    same === undefined
      ? also === ''
        ? `nothing${state.proved ? ', in any schedule' : ''}`
        : also
      : `${oracle} after ${grouped(same.afterSchedules)}${also}`;
  const cost = `${grouped(state.tally.schedules)} schedules in ${formatDuration(durationMs)}`;
  return `draft ${n + 1}, ${draft.reading}: ${cost}: ${shown}`;
}

export interface ExplainedParts {
  readonly minimal: MinimalLitmus;
  /** Number of the draft, and its reading. */
  readonly draft: number;
  readonly reading: string;
  readonly afterSchedules: number;
  readonly oracle: string;
  /** Of the order that forces it on free threads; null: none was found. */
  readonly forced: { readonly iterations: number; readonly sure: boolean } | null;
  readonly strategy: string;
  /** As a command line needs it, with a space before it; empty for defaults. */
  readonly params: string;
}

const MAX_ROWS = 60;

/** What came of it. */
export function explainedLines(parts: ExplainedParts, options: ExplainedOptions): string[] {
  const { minimal, oracle, forced, strategy } = parts;
  const { style, width, folder } = options;
  const { replay, picture } = minimal.recorded;
  const { finding } = replay;
  const indented = (text: string): string[] => wrapText(text, width - 2).map((line) => `  ${line}`);
  const other =
    finding.oracle === oracle
      ? []
      : indented(`no draft showed ${oracle}: this is another oracle, ${finding.oracle}, and may be another fault`).map(
          (line) => style.yellow(line),
        );
  const programs = minimal.plan.litmus!.programs.map(
    (verbs, tid) => `${minimal.plan.threads[tid]!.name}: ${verbs.map((v) => `${v.verb} ${v.target}`).join(', ')}`,
  );
  const [, ...size] = describeFound(replay);
  return [
    '',
    ...indented(`shown by draft ${parts.draft}, ${parts.reading}, after ${grouped(parts.afterSchedules)} schedules`),
    ...other,
    ...(minimal.cut.length === 0 ? [] : indented(`left out: ${minimal.cut.join('; ')}`)),
    ...programs.map((line) => `  ${style.bold(line)}`),
    ...size.map((line) => `  ${line}`),
    '',
    ...raceColumns({ ...picture, notes: [] }, { width: width - 2, style, maxRows: MAX_ROWS }).map((line) =>
      `  ${line}`.trimEnd(),
    ),
    '',
    `  replayed ${minimal.replayed.reproduced} of ${minimal.replayed.times}`,
    `  replay it:  odptorture replay ${folder}/${REPLAY_FILE}`,
    `  litmus:     ${folder}/${LITMUS_FILE}`,
    `  explore it: odptorture explore ${folder}/${LITMUS_FILE} --strategy ${strategy}`,
    `  on threads: odptorture run ${folder}/${LITMUS_FILE} --strategy ${strategy}${parts.params}`,
    `              ${forcedText(forced)}`,
  ];
}

function forcedText(forced: ExplainedParts['forced']): string {
  if (forced === null) return 'no order of points was found that forces it there; it comes by chance';
  return forced.sure
    ? `its order forces it there: seen in each of ${forced.iterations} iterations`
    : `its order helps it there: seen in some of ${forced.iterations} iterations`;
}
