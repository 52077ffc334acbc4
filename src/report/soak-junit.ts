import { type JunitCase, junit, junitXml } from './junit.ts';
import { type EntryRow, type ReportModel, standingOf, sumOf, violationsOf } from './soak-model.ts';
import { foundWords } from './soak-words.ts';

/** junit.xml: of a run a case a cell; of a soak a case a strategy, with its canaries in a suite of their own. */
export function reportJunit(model: ReportModel): string {
  const { results, judgedBy, thresholds } = model;
  if (results !== null) return junit(results, { judgedBy, thresholds });
  return junitXml(model.entries.map((entry) => caseOf(entry, judgedBy)));
}

function caseOf(entry: EntryRow, judgedBy: ReportModel['judgedBy']): JunitCase {
  const { scenario, strategy, era, canary, durationMs } = entry;
  return {
    suite: canary ? `canary ${scenario}` : scenario,
    name: `${strategy} ${era}`,
    durationMs,
    ...outcomeOf(entry, judgedBy),
  };
}

function outcomeOf(entry: EntryRow, judgedBy: ReportModel['judgedBy']): Pick<JunitCase, 'kind' | 'message'> {
  const { cells, cellsClean, crashes, verdicts, why } = entry;
  const message = [...why, foundWords(entry)].join('; ');
  if (entry.canary)
    return cellsClean === 0
      ? { kind: 'passed', message: '' }
      : { kind: 'failure', message: `missed in ${cellsClean} of ${cells} cells` };
  const byViolations = judgedBy === 'violations';
  if (byViolations ? violationsOf(entry) > 0 : standingOf(entry) === 'no') return { kind: 'failure', message };
  if (sumOf(crashes) > 0) {
    const kinds = Object.keys(crashes).join(', ');
    return { kind: 'error', message: `${sumOf(crashes)} of ${cells} cells did not end by themselves: ${kinds}` };
  }
  const unknown = byViolations ? verdicts.SUCCESS === 0 : standingOf(entry) === 'unknown';
  return unknown ? { kind: 'skipped', message } : { kind: 'passed', message: '' };
}
