import type { ThresholdResult } from '../results/thresholds.ts';
import type { CellResult } from '../results/types.ts';
import { findings } from './findings.ts';

export interface JunitOptions {
  readonly judgedBy: 'violations' | 'expectations';
  readonly thresholds: readonly ThresholdResult[];
}

/** Characters that XML 1.0 allows; a message of a crashed thread may hold others. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters to remove
const NOT_XML = /[^\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

const xml = (text: string): string =>
  text
    .replaceAll(NOT_XML, '\ufffd')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replaceAll('"', '&quot;')
    .replaceAll('\n', '&#10;');

/** What a test case says of a cell. */
type JunitCell = Pick<
  CellResult,
  'scenario' | 'strategy' | 'seed' | 'durationMs' | 'verdict' | 'asExpected' | 'why' | 'violations'
> & { readonly fault?: { readonly kind: string; readonly thread: string; readonly message: string } | undefined };

/** One test case a cell, one suite a scenario. Too little evidence is `skipped`, a crashed worker an `error`. */
export function junit(cells: readonly JunitCell[], options: JunitOptions): string {
  return junitXml(
    cells.map((cell) => ({
      suite: cell.scenario,
      name: `${cell.strategy} seed=${cell.seed}`,
      durationMs: cell.durationMs,
      ...outcomeOf(cell, options),
    })),
  );
}

export interface JunitCase {
  readonly suite: string;
  readonly name: string;
  readonly durationMs: number;
  readonly kind: 'passed' | 'failure' | 'error' | 'skipped';
  readonly message: string;
}

/** A suite for each name, in the order of its first case. */
export function junitXml(cases: readonly JunitCase[]): string {
  const suites = [...new Set(cases.map((one) => one.suite))].map((name) =>
    suiteXml(
      name,
      cases.filter((one) => one.suite === name),
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="odptorture">\n${suites.join('')}</testsuites>\n`;
}

function suiteXml(name: string, cases: readonly JunitCase[]): string {
  const count = (kind: JunitCase['kind']): number => cases.filter((one) => one.kind === kind).length;
  const time = cases.reduce((sum, one) => sum + one.durationMs, 0) / 1000;
  const head = `tests="${cases.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
  return `  <testsuite name="${xml(name)}" ${head} time="${time.toFixed(3)}">\n${cases.map(caseXml).join('')}  </testsuite>\n`;
}

type Outcome = Pick<JunitCase, 'kind' | 'message'>;

function outcomeOf(cell: JunitCell, { judgedBy, thresholds }: JunitOptions): Outcome {
  const found = findings(cell)
    .map(({ oracle, count }) => `${oracle} ${count}`)
    .join(', ');
  const failed = judgedBy === 'violations' ? cell.verdict === 'FAILURE' : cell.asExpected === false;
  if (failed) return { kind: 'failure', message: [cell.why, found].filter((text) => text !== '').join('; ') };
  if (cell.fault !== undefined)
    return { kind: 'error', message: `${cell.fault.kind} in ${cell.fault.thread}: ${cell.fault.message}` };
  const missed = thresholds.filter(
    (t) => t.met === false && t.scenario === cell.scenario && t.strategy === cell.strategy && t.seed === cell.seed,
  );
  if (missed.length > 0)
    return { kind: 'failure', message: missed.map((t) => `${t.threshold} missed: ${t.value}`).join('; ') };
  const unknown = judgedBy === 'violations' ? cell.verdict === 'UNKNOWN' : cell.asExpected === null;
  return unknown ? { kind: 'skipped', message: cell.why } : { kind: 'passed', message: '' };
}

function caseXml({ suite, name, durationMs, kind, message }: JunitCase): string {
  const open = `    <testcase classname="${xml(suite)}" name="${xml(name)}" time="${(durationMs / 1000).toFixed(3)}"`;
  return kind === 'passed' ? `${open}/>\n` : `${open}>\n      <${kind} message="${xml(message)}"/>\n    </testcase>\n`;
}
