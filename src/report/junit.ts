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

/** One test case a cell, one suite a scenario. Too little evidence is `skipped`, a crashed worker an `error`. */
export function junit(cells: readonly CellResult[], options: JunitOptions): string {
  const suites = [...new Set(cells.map((cell) => cell.scenario))].map((scenario) =>
    suite(
      scenario,
      cells.filter((cell) => cell.scenario === scenario),
      options,
    ),
  );
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="odptorture">\n${suites.join('')}</testsuites>\n`;
}

function suite(scenario: string, cells: readonly CellResult[], options: JunitOptions): string {
  const cases = cells.map((cell) => ({ cell, outcome: outcomeOf(cell, options) }));
  const count = (kind: Outcome['kind']): number => cases.filter(({ outcome }) => outcome.kind === kind).length;
  const time = cells.reduce((sum, cell) => sum + cell.durationMs, 0) / 1000;
  const head = `tests="${cells.length}" failures="${count('failure')}" errors="${count('error')}" skipped="${count('skipped')}"`;
  const body = cases.map(({ cell, outcome }) => testCase(cell, outcome)).join('');
  return `  <testsuite name="${xml(scenario)}" ${head} time="${time.toFixed(3)}">\n${body}  </testsuite>\n`;
}

interface Outcome {
  readonly kind: 'passed' | 'failure' | 'error' | 'skipped';
  readonly message: string;
}

function outcomeOf(cell: CellResult, { judgedBy, thresholds }: JunitOptions): Outcome {
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

function testCase(cell: CellResult, { kind, message }: Outcome): string {
  const open = `    <testcase classname="${xml(cell.scenario)}" name="${xml(`${cell.strategy} seed=${cell.seed}`)}" time="${(cell.durationMs / 1000).toFixed(3)}"`;
  return kind === 'passed' ? `${open}/>\n` : `${open}>\n      <${kind} message="${xml(message)}"/>\n    </testcase>\n`;
}
