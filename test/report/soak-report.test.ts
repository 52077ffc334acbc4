import {
  appendFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readReport, reportCommand, writeReport } from '../../src/cli/report.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import { chartData } from '../../src/report/html-charts.ts';
import { reportHtml } from '../../src/report/html-report.ts';
import type { ReportModel } from '../../src/report/soak-model.ts';
import { reportText } from '../../src/report/soak-text.ts';
import { PLAIN } from '../../src/report/style.ts';
import { thinned } from '../../src/results/series.ts';
import type { SeriesPoint } from '../../src/results/soak-types.ts';
import type { Summary } from '../../src/results/summary.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { cellResult, failedCell, underflow } from './results-fixture.ts';
import { recordedMinute, replayed, tear, writeSoak } from './soak-fixture.ts';

let root: string;
let folders = 0;
beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'odptorture-report-'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));
function newDir(): string {
  const dir = join(root, `soak-${folders++}`);
  mkdirSync(dir, { recursive: true });
  return dir;
}

const text = (model: ReportModel): string => reportText(model, { style: PLAIN, width: 120 }).join('\n');
const read = (dir: string, name: string): string => readFileSync(join(dir, name), 'utf8');

function terminalAt(cwd: string, env: Record<string, string> = {}): Terminal & { lines: string[] } {
  const lines: string[] = [];
  return {
    ...{ lines, env, cwd, outIsTty: false, errIsTty: false, width: 120 },
    out: (line) => lines.push(line),
    err: (line) => lines.push(line),
    stderr: process.stderr,
  };
}

describe('the report of a soak of eight hours', () => {
  let dir: string;
  let page: string;
  let model: ReportModel;
  beforeAll(() => {
    dir = newDir();
    writeSoak({ dir, minutes: 480, signatures: 150, surprise: true, maxPoints: 3000 });
    model = readReport(dir, root);
    page = readFileSync(writeReport(model, dir), 'utf8');
  });

  it('is small, and so is the series', () => {
    expect(model.elapsedMs).toBe(8 * 3_600_000);
    expect(model.cells).toBe(2880);
    expect(page.length).toBeLessThan(2_000_000);
    expect(read(dir, 'series.ndjson').split('\n').length).toBeLessThanOrEqual(3001);
    expect(model.series.at(-1)!.t).toBeGreaterThan(7.99 * 3_600_000);
    const data = chartData(model)!;
    for (const { axis, lines } of data.charts) for (const { v } of lines) expect(v).toHaveLength(data.t[axis].length);
    expect(data.t.series.length).toBeLessThanOrEqual(1200);
    expect(data.t.series.length).toBeGreaterThan(400);
  });

  it('has what the minute had, at any resolution', () => {
    const mean = (points: readonly SeriesPoint[]): number => {
      let [sum, before] = [0, 0];
      for (const { t, rates } of points) {
        sum += rates.faults! * (t - before);
        before = t;
      }
      return sum / before;
    };
    const was = mean([...replayed(recordedMinute(), 480)]);
    expect(mean(model.series) / was).toBeCloseTo(1, 5);
    expect(mean(thinned(model.series, 100)) / was).toBeCloseTo(1, 5);
  });

  it('says the verdict first, with what was tried beside what was not found', () => {
    const lines = text(model).split('\n');
    expect(lines.slice(0, 6)).toEqual([
      'FAILURE',
      '  default: 2,880 cells in 8h00m, seed 1, finished',
      '  2 violations that nobody expected, in 1,080,000 exposures (interval-notifier: stale-dma).',
      '  869,040 violations as expected of private-count, in 1,080,000 exposures.',
      '  No violation of context-count in 1,080,000 exposures.',
      '  The canary, a known bug, was caught in each of its 720 cells.',
    ]);
    expect(lines).toContain('  repeat #1: odptorture run seed --strategy interval-notifier --era v5.5 -d 10s --seed 3');
    expect(lines.find((line) => line.includes('context-count  '))).toMatch(
      /yes +720 +900 +1,080,000 +0 in 720,000 register-in-section \(a rate below 4.2e-6 each, at 95 %\)$/,
    );
  });

  it('asks nothing of the network and is light and dark', () => {
    expect(page).toContain("default-src 'none'");
    expect(page).not.toMatch(/(?:src|href)="(?!data:)|@import|<link(?! rel="icon" href="data:,")/);
    expect(page).toContain('prefers-color-scheme: dark');
    expect(page.indexOf('class="word">FAILURE')).toBeLessThan(page.indexOf('id="found"'));
  });

  it('draws the timeline of a signature in columns, and says how to repeat it', () => {
    const row = /<details id="sig1".*?<\/details>/s.exec(page)![0];
    expect(row).toContain('stale-dma');
    expect(row).toMatch(/<th scope="col" style="--t:0">madvise-0<\/th><th scope="col" style="--t:1">register-0<\/th>/);
    expect(row).toContain('<tr class="mark">');
    expect(row).toContain('odptorture run seed --strategy interval-notifier --era v5.5 -d 10s --seed 3');
    // Not one of the first that were kept in a folder.
    expect(row).not.toContain('explore --from');
    const kept = model.signatures.find(({ repeat }) => repeat.length === 2)!;
    expect(kept.repeat[0]!.command).toMatch(/^odptorture explore --from soak-\d+\/violations\/1$/);
    // Its cell is kept beside it.
    expect(kept.repeat[1]!.command).toBe(
      'odptorture run seed --strategy private-count --era v5.5 --param size=3 -d 10s --seed 2',
    );
  });

  it('stays small whatever was found', () => {
    const long = Array.from({ length: 600 }, (_, i) => ({
      ...underflow().window[i % 9]!,
      op: i,
      timeMs: 99 + i / 1000,
    }));
    const record = underflow({ window: long });
    const many = {
      ...model,
      signatures: Array.from({ length: 5000 }, () => ({ ...model.signatures[0]!, record })),
      entries: Array.from({ length: 400 }, () => ({
        ...model.entries[0]!,
        locks: Array.from({ length: 20 }, () => model.entries[0]!.locks[0]!),
      })),
    };
    const html = reportHtml(many, { script: '', style: '' });
    expect(html.length).toBeLessThan(1_900_000);
    expect(html).toContain('4,600 more, less frequent: see checkpoint.json.');
    expect(html).toContain('360 more with less waiting are not shown.');
  });

  it('is a test case a kind of cell, with the canaries by themselves', () => {
    const xml = read(dir, 'junit.xml');
    expect(xml).toContain('<testsuite name="seed" tests="3" failures="1" errors="0" skipped="0"');
    expect(xml).toContain('<failure message="stale-dma 2"/>');
    expect(xml).toContain('<testsuite name="canary seed" tests="1" failures="0" errors="0" skipped="0"');
  });
});

describe('a soak that has not ended', () => {
  it('is told as far as it went while it runs', () => {
    const dir = newDir();
    writeSoak({ dir, minutes: 2, status: 'running', pid: process.pid });
    const model = readReport(dir, root);
    expect(model.state).toBe('running');
    expect(text(model)).toContain('SUCCESS so far');
    // An earlier session's summary is not that of the one that runs.
    writeFileSync(join(dir, 'summary.json'), '{"verdict":"FAILURE"}');
    expect(readReport(dir, root).verdict).toBe('SUCCESS');
    expect(readFileSync(writeReport(model, dir), 'utf8')).toContain('still running');
  });

  it('is told without what a kill has torn', () => {
    const dir = newDir();
    const { lines } = writeSoak({ dir, minutes: 2, status: 'running' });
    tear(dir, 'cells.ndjson', read(dir, 'cells.ndjson').slice(0, 700));
    tear(dir, 'races-1.ndjson', '{"level":"error","oracle":"stale-dma","signature":"stale-dma/x/y","nth":1,"scen');
    tear(dir, 'series.ndjson', '{"t":99999999,"cell":');
    writeFileSync(join(dir, 'checkpoint.json.partial'), '{"half');
    const model = readReport(dir, root);
    expect(model.state).toBe('died');
    expect(model.cells).toBe(lines.length);
    expect(model.signatures.map(({ count }) => count)).toEqual(
      [...model.signatures].map(({ signature }) =>
        lines.reduce((sum, line) => sum + (line.signatures[signature] ?? 0), 0),
      ),
    );
    expect(model.notes).toEqual([
      'cells.ndjson: 1 line is not whole, left out',
      'the race log: 1 line is not whole, left out',
      expect.stringContaining(`ended without a word after ${lines.length} cells`),
    ]);
    expect(readFileSync(writeReport(model, dir), 'utf8')).toContain('SUCCESS so far');
  });

  it('is told from its cells alone when the checkpoint is gone', () => {
    const dir = newDir();
    writeSoak({ dir, minutes: 4, status: 'running' });
    const whole = readReport(dir, root);
    rmSync(join(dir, 'checkpoint.json'));
    const model = readReport(dir, root);
    expect(model.verdict).toBe('UNKNOWN');
    expect(model.entries).toEqual(whole.entries);
    expect(model.canary).toEqual(whole.canary);
    expect(model.signatures.map(({ signature, count, cells }) => ({ signature, count, cells }))).toEqual(
      whole.signatures.map(({ signature, count, cells }) => ({ signature, count, cells })),
    );
    expect(model.notes).toContain('without a checkpoint that can be read there is no verdict');
  });

  it('is told when not one cell has ended', () => {
    const dir = newDir();
    writeSoak({ dir, minutes: 1, status: 'running' });
    for (const name of ['checkpoint.json', 'cells.ndjson', 'series.ndjson', 'races-1.ndjson']) rmSync(join(dir, name));
    const model = readReport(dir, root);
    expect(text(model)).toContain('No cell was finished.');
    expect(readFileSync(writeReport(model, dir), 'utf8')).not.toContain('<script');
  });
});

/** The folder of a run, as execute leaves it. */
function writeRunFolder(dir: string, cells: Summary['cells'], command = 'matrix'): void {
  mkdirSync(dir, { recursive: true });
  const environment = { node: 'v20', platform: 'linux-x64', cores: 2, cpu: 'x', commit: null, version: '0.1.0' };
  const plans = cells.map(({ scenario, strategy, seed, kind, era, durationMs }) => ({
    ...{ scenario, strategy, seed, kind, era, durationMs, params: {} },
  }));
  const startedAt = '2026-11-23T04:00:00.000Z';
  const run = { status: 'finished', command, seed: 1, startedAt, pid: 1, environment, cells: plans };
  writeFileSync(join(dir, 'run.json'), JSON.stringify(run));
  writeFileSync(
    join(dir, 'summary.json'),
    JSON.stringify({
      ...{ schemaVersion: 1, runId: 'r', command, seed: 1, startedAt, durationMs: 4000, verdict: 'SUCCESS' },
      ...{ judgedBy: 'expectations', exitCode: 0, interrupted: false, environment },
      ...{ records: { written: 2, lost: 0 }, thresholds: [], cells },
    }),
  );
  const record = underflow({ seed: 1, signature: 'counter-underflow/private-count/madvise', point: 'section.ending' });
  writeFileSync(
    join(dir, 'races-1.ndjson'),
    [record, { ...record, nth: 2 }].map((one) => `${JSON.stringify({ level: 'error', ...one })}\n`).join(''),
  );
}

describe('the report of a run', () => {
  it('has its cells, and the signatures of its race log with the counts that are known', () => {
    const dir = newDir();
    writeRunFolder(dir, [
      failedCell(),
      cellResult({ exposures: {}, verdict: 'UNKNOWN', asExpected: null, why: 'too few' }),
    ]);
    const model = readReport(dir, root);
    expect(model.kind).toBe('run');
    expect(model.signatures).toHaveLength(1);
    expect(model.signatures[0]).toMatchObject({
      role: 'madvise',
      point: 'section.ending',
      count: 2,
      atLeast: true,
      expected: 'must',
      cells: 1,
    });
    expect(text(model)).toContain('Nothing is known of context-count: not one exposure.');
    expect(text(model)).toContain('>= 2');
    const page = readFileSync(writeReport(model, dir), 'utf8');
    expect(page).toContain('no exposures: says nothing');
    expect(read(dir, 'junit.xml')).toContain('<skipped message="too few"/>');
  });

  it('says what it cannot know without a summary', () => {
    const dir = newDir();
    writeRunFolder(dir, [failedCell()], 'run');
    rmSync(join(dir, 'summary.json'));
    const model = readReport(dir, root);
    expect(model.verdict).toBe('FAILURE');
    expect(model.signatures[0]!.expected).toBe('unknown');
    expect(model.notes.join()).toContain('only the 2 records of the race log are known');
  });

  it('reads the folder of a version that wrote less', () => {
    const dir = newDir();
    const { locks: _, ...old } = cellResult();
    writeRunFolder(dir, [old as Summary['cells'][number]]);
    expect(readReport(dir, root)).toMatchObject({ cells: 1, notes: [] });
  });

  it("knows a user's own strategy by its file", () => {
    const dir = newDir();
    const strategy = './my "own"/no wait.mjs';
    writeRunFolder(dir, [failedCell({ strategy })]);
    const run = JSON.parse(read(dir, 'run.json')) as { cells: Record<string, unknown>[] };
    run.cells[0]!.strategyFile = { url: 'file:///home/me/no%20wait.mjs', sha256: '0' };
    writeFileSync(join(dir, 'run.json'), JSON.stringify(run));
    const record = underflow({
      strategy,
      seed: 1,
      signature: `counter-underflow/${strategy}/madvise`,
      point: 'dma.accessed',
    });
    writeFileSync(join(dir, 'races-1.ndjson'), `${JSON.stringify({ level: 'error', ...record })}\n`);
    const [row] = readReport(dir, root).signatures;
    expect(row).toMatchObject({ strategy, role: 'madvise', point: 'dma.accessed', cells: 1 });
    expect(row!.repeat.map(({ command }) => command)).toEqual([
      "odptorture run seed --strategy '/home/me/no wait.mjs' --era v5.5 -d 2s --seed 1",
    ]);
  });

  it('names the schedule of a violation that was explained', () => {
    const dir = newDir();
    writeSoak({ dir, minutes: 1 });
    mkdirSync(join(dir, 'violations/1/explained'));
    writeFileSync(join(dir, 'violations/1/explained/schedule.replay.json'), '{}');
    const commands = readReport(dir, root).signatures.flatMap(({ repeat }) => repeat.map(({ command }) => command));
    expect(commands).toContainEqual(
      expect.stringMatching(/^odptorture replay .*\/1\/explained\/schedule.replay.json$/),
    );
  });

  it('lets no name out of its place', () => {
    const dir = newDir();
    const odd = `</script><img src=x onerror="alert('1')">`;
    writeRunFolder(dir, [cellResult({ strategy: odd, why: odd, asExpected: null })]);
    const page = readFileSync(writeReport(readReport(dir, root), dir), 'utf8');
    expect(page).not.toContain('<img');
    expect(read(dir, 'summary.md')).not.toContain('<img');
  });
});

describe('the command', () => {
  it('takes the run that was begun last, writes three files and appends to the summary of a job', async () => {
    const cwd = newDir();
    const older = join(cwd, 'results/matrix/20261123T040000Z-9');
    const latest = join(cwd, 'results/seed/20261123T040001Z-1');
    for (const dir of [older, latest]) writeRunFolder(dir, [failedCell()]);
    mkdirSync(join(cwd, 'results/explore-x/20261123T050000Z-1'), { recursive: true });
    const page = join(cwd, 'step.md');
    writeFileSync(page, 'before\n');
    const terminal = terminalAt(cwd, { GITHUB_STEP_SUMMARY: page });
    expect(await reportCommand(undefined, { color: 'auto' }, terminal)).toBe(0);
    expect(terminal.lines.at(-1)).toBe('results/seed/20261123T040001Z-1/report.html');
    expect(existsSync(join(older, 'report.html'))).toBe(false);
    expect(statSync(join(latest, 'junit.xml')).size).toBeGreaterThan(0);
    expect(readFileSync(page, 'utf8')).toBe(`before\n${read(latest, 'summary.md')}`);
    expect(read(latest, 'summary.md')).toContain('`odptorture run seed --strategy private-count');
    const elsewhere = join(cwd, 'elsewhere');
    mkdirSync(elsewhere);
    const quiet = terminalAt(cwd);
    expect(await reportCommand(older, { color: 'auto', quiet: true, out: 'elsewhere' }, quiet)).toBe(0);
    expect(quiet.lines).toEqual(['elsewhere/report.html']);
    expect(existsSync(join(elsewhere, 'report.html'))).toBe(true);
  });

  it('says what is wrong with a folder', async () => {
    const cwd = newDir();
    const fails = async (dir: string | undefined): Promise<string> => {
      const error = await reportCommand(dir, { color: 'auto' }, terminalAt(cwd)).catch((e: unknown) => e);
      expect(error).toBeInstanceOf(OdpError);
      expect((error as OdpError).exitCode).toBe(2);
      return (error as OdpError).message;
    };
    expect(await fails(undefined)).toContain('there are no results here');
    expect(await fails('nowhere')).toContain('there is no such folder');
    expect(await fails('.')).toContain('it holds no run.json');
    writeFileSync(join(cwd, 'run.json'), '{"status":"finished"');
    expect(await fails('.')).toContain('it is not what a run writes');
    writeRunFolder(cwd, []);
    const run = JSON.parse(read(cwd, 'run.json')) as Record<string, unknown>;
    writeFileSync(join(cwd, 'run.json'), JSON.stringify({ ...run, command: 'explore' }));
    expect(await fails('.')).toContain('folder of an exploration');
    appendFileSync(join(cwd, 'run.json'), 'x');
    expect(await fails('.')).toContain('it is not what a run writes');
  });
});
