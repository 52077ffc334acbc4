import { describe, expect, it } from 'vitest';
import { CLAIMS, type Claim } from '../../bench/thread-claims.ts';
import type { Ran, Row, Searched } from '../../bench/thread-measure.ts';
import { type Answer, answeredDocument, shortTimeline, verdictOf } from '../../bench/thread-table.ts';

const claim: Claim = {
  id: 'a-claim',
  words: '"enough"',
  who: 'Somebody',
  asks: 'Is it?',
  scenarios: [
    { name: 'a-litmus', groups: [{ strategies: ['mmap-write', 'pinned'] }], exposures: ['register-in-section'] },
  ],
  question: { kind: 'safe', subjects: [{ scenario: 'a-litmus', label: 'mmap-write' }] },
  meaning: 'What it means.',
};

const ran = (more: Partial<Ran> = {}): Ran => ({
  iterations: 20,
  forced: 0,
  seconds: 0.1,
  violations: {},
  exposures: {},
  commits: 20,
  retries: 0,
  registrations: 40,
  faultP99Us: 10,
  registerP99Us: 20,
  fault: null,
  ...more,
});
const searched = (more: Partial<Searched> = {}): Searched => ({
  proof: 'exhaustive: 36 executions',
  bounded: null,
  schedules: 36,
  violations: [],
  broken: null,
  ...more,
});
const row = (label: string, era: string, r: Partial<Ran> = {}, s: Partial<Searched> = {}): Row => ({
  scenario: 'a-litmus',
  label,
  era,
  ran: ran(r),
  searched: searched(s),
});

const STALE = {
  proof: 'exhaustive: 55 executions, assuming a time-out only when nobody else can run',
  schedules: 55,
  violations: [{ oracle: 'stale-dma', preemptions: 2 }],
};
const rows: readonly Row[] = [
  row('mmap-write', 'v3.19'),
  row('mmap-write', 'v4.20'),
  row(
    'mmap-write',
    'v6.17',
    { violations: { 'stale-dma': 20 }, forced: 20, exposures: { 'register-in-section': 20 } },
    STALE,
  ),
  row('pinned', 'v3.19', { exposures: { 'register-in-section': 18 } }),
  row('pinned', 'v4.20', { exposures: { 'register-in-section': 20 } }),
];

const LINES = `stale-dma of umem 5 in a-litmus mmap-write: 4 steps, 1 preemption
found by bound, seed 1, in schedule 13

      T1                     | T2
-----------------------------+-----------
      -- verb.begin madvise  |
 1    down_read mmap_lock    |
      : -- section.started   |
 2 ~  : load subscription    |
      :                      | -- fault.committed
 3  > :                      | store device entry
 4    up_read mmap_lock      |
==> stale-dma: it reads a freed page`.split('\n');

const document = (answers: readonly Answer[]): string =>
  answeredDocument(answers, { command: 'node x', machine: 'a machine', seed: 7, schedules: 2500 });
const answer = (more: Partial<Answer> = {}): Answer => ({
  claim,
  rows,
  commands: ['npx odptorture run a-litmus'],
  drawn: { command: 'npx odptorture explore a-litmus', lines: LINES },
  seconds: 3,
  ...more,
});

describe('verdicts on the claims of the thread', () => {
  it('name the eras in which a claim of safety holds, and what breaks it in the others', () => {
    const { word, sentence } = verdictOf(claim, rows);
    expect(word).toBe('holds in v3.19 and v4.20');
    expect(sentence).toContain('v3.19 and v4.20: no violation (proved, 72 executions together');
    expect(sentence).toContain('v6.17: `mmap-write` in `a-litmus` shows stale-dma.');
  });

  it('do not call a search that was cut off a proof', () => {
    const cut = [row('mmap-write', 'v3.19', {}, { proof: null, schedules: 2500 })];
    expect(verdictOf(claim, cut).sentence).toContain('none in 2,500 schedules, not all');
  });

  it('hold a claim of breakage only where each subject shows one of the oracles', () => {
    const subjects = [
      { scenario: 'a-litmus', label: 'mmap-write' },
      { scenario: 'a-litmus', label: 'pinned' },
    ];
    const broken: Claim = { ...claim, question: { kind: 'breaks', subjects, oracles: ['stale-dma'] } };
    expect(verdictOf(broken, rows).word).toBe('does not hold');
    const alone: Claim = { ...claim, question: { kind: 'breaks', subjects: [subjects[0]!], oracles: ['stale-dma'] } };
    expect(verdictOf(alone, rows).word).toBe('holds in v6.17');
    const other: Claim = { ...claim, question: { kind: 'breaks', subjects: [subjects[0]!], oracles: ['deadlock'] } };
    expect(verdictOf(other, rows).word).toBe('does not hold');
  });

  it('compare retries for each commit', () => {
    const [dear, cheap] = ['mmap-write', 'pinned'].map((label) => ({ scenario: 'a-litmus', label })) as [
      { scenario: string; label: string },
      { scenario: string; label: string },
    ];
    const costs: Claim = { ...claim, question: { kind: 'costs', dear, cheap } };
    const paid = (retries: number): Row[] => [
      row('mmap-write', 'v5.5', { retries }),
      row('pinned', 'v5.5', { retries: 10 }),
    ];
    expect(verdictOf(costs, paid(20)).word).toBe('holds');
    expect(verdictOf(costs, paid(19)).word).toBe('does not hold here');
  });

  it('give a rate, or the bound of one that was not seen', () => {
    const subject = { scenario: 'a-litmus', label: 'mmap-write' };
    const rate: Claim = {
      ...claim,
      question: { kind: 'rate', subject, oracles: ['stale-dma'], exposure: 'register-in-section' },
    };
    const exposures = { 'register-in-section': 3000 };
    const seen = [row('mmap-write', 'v3.19', { violations: { 'stale-dma': 3 }, exposures, seconds: 2 })];
    expect(verdictOf(rate, seen).sentence).toContain('3 times in 3,000 register-in-section, 1 in 1,000; 1.5 a second');
    const none = [row('mmap-write', 'v3.19', { exposures, seconds: 2 })];
    expect(verdictOf(rate, none)).toMatchObject({ word: 'not seen' });
    expect(verdictOf(rate, none).sentence).toContain('a rate below 1.0e-3 each');
  });

  it('say so when nothing was run', () => {
    for (const one of CLAIMS) expect(verdictOf(one, []).word).toBe('not run');
  });
});

describe('the page of the thread', () => {
  it('puts eras in which the same was seen into one row, with exposures beside', () => {
    const text = document([answer()]);
    expect(text).toContain('| mmap-write | v3.19, v4.20 | PROVED, all 36 |');
    expect(text).toContain('| mmap-write | v6.17 | **VIOLATED** stale-dma (2); all 55 |');
    expect(text).toContain(
      '| mmap-write | v3.19, v4.20 | no violation in 20 it.; the forced order is impossible; register-in-section 0 |',
    );
    expect(text).toContain(
      '| mmap-write | v6.17 | stale-dma 20 in 20 it.; the forced order was had; register-in-section 20 |',
    );
    expect(text).toMatch(/\| pinned \| v3\.19, v4\.20 \| no violation .* register-in-section 18 to 20 \|/);
    expect(text).toContain('| [a-claim](#a-claim) | "enough" | Somebody | holds in v3.19 and v4.20 |');
    expect(text).toContain('in 3 s: seed 7, at most 2,500 schedules');
  });

  it('shows a load as figures', () => {
    const load = [
      { ...row('mmap-write', 'v5.5', { iterations: null, forced: null, seconds: 2, retries: 30 }), searched: null },
    ];
    expect(document([answer({ rows: load, drawn: null })])).toContain(
      '| mmap-write | no violation in 2.0 s; register-in-section 0 | 10 | 1.50 | 10 | 20 | 20 |',
    );
  });

  it('keeps the points of a timeline and the steps that decide', () => {
    expect(shortTimeline(LINES)).toEqual([
      LINES[0],
      '',
      LINES[3],
      LINES[4],
      '      : -- section.started   |',
      LINES[8],
      LINES[9],
      LINES[10],
      LINES[12],
    ]);
  });

  it('says that no schedule shows a violation', () => {
    const text = document([answer({ drawn: { command: 'npx odptorture explore a-litmus', lines: null } })]);
    expect(text).toContain('No schedule shows a violation');
  });
});
