import { describe, expect, it } from 'vitest';
import { exitCodeOf, type Outcome } from '../../src/cli/exit-code.ts';
import { cellResult, failedCell } from '../report/results-fixture.ts';

const outcome = (more: Partial<Outcome> = {}): number =>
  exitCodeOf({ cells: [cellResult()], judgedBy: 'violations', thresholds: [], lost: 0, stoppedBy: null, ...more });
const threshold = (met: boolean | null) => ({ scenario: 's', strategy: 'x', seed: 1, threshold: 't', value: 1, met });
const unknown = cellResult({ verdict: 'UNKNOWN', asExpected: null });
const crashed = cellResult({
  verdict: 'UNKNOWN',
  asExpected: null,
  fault: { kind: 'thread-threw', thread: 'a', message: 'b' },
});
const deadlocked = failedCell({
  violations: { deadlock: { count: 1, firstAtMs: 1 } },
  fault: { kind: 'deadlock', thread: 'a', message: 'b' },
});

describe('exit codes', () => {
  it.each<[string, Partial<Outcome>, number]>([
    ['nothing found', {}, 0],
    ['a violation', { cells: [cellResult(), failedCell()] }, 1],
    ['a missed threshold', { thresholds: [threshold(true), threshold(false)] }, 3],
    ['too little evidence', { cells: [unknown] }, 4],
    ['a threshold without a figure', { thresholds: [threshold(null)] }, 4],
    ['no cells', { cells: [] }, 4],
    ['a crashed worker', { cells: [crashed] }, 6],
    ['a lost record', { lost: 1 }, 7],
    ['a deadlock is a violation, not a crash', { cells: [deadlocked] }, 1],
    ['a cell that failed only by crashing', { cells: [{ ...crashed, verdict: 'FAILURE' }] }, 6],
    ['Ctrl-C', { stoppedBy: 'SIGINT', cells: [failedCell()] }, 130],
    ['SIGTERM', { stoppedBy: 'SIGTERM', cells: [] }, 143],
    ['violation before crash', { cells: [crashed, failedCell()] }, 1],
    ['crash before lost records', { cells: [crashed], lost: 3 }, 6],
    ['lost records before threshold', { lost: 1, thresholds: [threshold(false)] }, 7],
    ['threshold before unknown', { cells: [unknown], thresholds: [threshold(false)] }, 3],
  ])('%s', (_, more, code) => {
    expect(outcome(more)).toBe(code);
  });

  it('a matrix is judged by expectations', () => {
    const judgedBy = 'expectations';
    expect(outcome({ judgedBy, cells: [failedCell()] })).toBe(0);
    expect(outcome({ judgedBy, cells: [failedCell({ asExpected: false })] })).toBe(1);
    expect(outcome({ judgedBy, cells: [cellResult({ asExpected: false, why: 'nothing was seen' })] })).toBe(1);
    expect(outcome({ judgedBy, cells: [unknown] })).toBe(4);
    expect(outcome({ judgedBy, cells: [deadlocked] })).toBe(0);
  });
});
