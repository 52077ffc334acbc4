import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { summarizeSoak } from '../../src/cli/soak-summary.ts';
import { sumOf } from '../../src/soak/totals.ts';
import { nextOccurrence } from '../../src/soak/until.ts';
import type { FakeCell } from './fake-cell.ts';
import {
  cellsOf,
  checkpointOf,
  fakeRunner,
  racesOf,
  reconcile,
  SMALL,
  type SoakRunner,
  soakBed,
  soakIn,
  summaryOf,
  terminalIn,
} from './soak-fixture.ts';

const bed = soakBed();

/**
 * Clocks that stand still but for what cells take; `jumps` moves the wall clock, by cell. Cells tell their progress every `progressMs`.
 */
function fakeClocks(cellMs: number, jumps: Readonly<Record<number, number>> = {}, progressMs = cellMs) {
  let mono = 1000;
  let wall = new Date(2026, 2, 1, 23, 0).getTime();
  let cells = 0;
  const runner: SoakRunner = {
    ...fakeRunner(),
    async runCell(plan, sink, signal) {
      const result = await fakeRunner({ ms: 0, clean: true }).runCell(plan, sink, signal);
      const took = Math.min(plan.durationMs, cellMs);
      const start = mono;
      for (; mono - start + progressMs <= took; mono += progressMs)
        sink.progress({ elapsedMs: 0, durationMs: took, operations: {}, violations: {}, exposures: {} });
      mono = start + took;
      wall += took + (jumps[cells++] ?? 0);
      return { ...result, durationMs: took };
    },
  };
  return { runner: async () => runner, clock: { mono: () => mono, wall: () => wall } };
}

describe('how a soak ends', () => {
  it('a violation is exit code 1; everything that was found is written down, and adds up', async () => {
    expect(await bed.start(['--until', 'rotations=8'])).toBe(1);
    const { cells, violations } = reconcile(bed.dir);
    const summary = summaryOf(bed.dir);
    expect(cells).toBe(24);
    expect(summary.totals.canary).toMatchObject({ cells: 8, caught: 8, missed: 0 });
    expect(violations).toBe(sumOf(summary.totals.violations) + summary.totals.canary.violations);
    expect(summary).toMatchObject({ verdict: 'FAILURE', exitCode: 1, reason: 'until', interrupted: false, seed: 7 });
    expect(summary.why[0]).toMatch(/^seed\/(context-count|range-stack)\/v5\.5: (counter-underflow|stale-dma)/);
  });

  it('the report lies in its folder, and in the summary of a GitHub job', async () => {
    const steps = join(bed.cwd, 'steps.md');
    const terminal = { ...terminalIn(bed.cwd), env: { GITHUB_STEP_SUMMARY: steps } };
    expect(await bed.start(['--until', 'cells=6'], {}, terminal)).toBe(1);
    const text = (name: string): string => readFileSync(join(bed.dir, name), 'utf8');
    expect(text('report.html')).toContain('FAILURE');
    expect(text('report.html')).not.toContain('still running');
    expect(text('junit.xml')).toMatch(/<\/testsuites>\n$/);
    expect(readFileSync(steps, 'utf8')).toBe(text('summary.md'));
    // Of a session that goes on, too: it is of all of them.
    await bed.resume(['--until', 'cells=9']);
    expect(text('summary.md')).not.toBe(readFileSync(steps, 'utf8'));
  });

  it.each([
    [true, 7],
    [false, 1],
  ])('a report that cannot be written hides nothing (clean: %s): exit code %i', async (clean, code) => {
    await bed.start(['--until', 'cells=3'], { clean });
    rmSync(join(bed.dir, 'report.html'));
    mkdirSync(join(bed.dir, 'report.html', 'in the way'), { recursive: true });
    const terminal = terminalIn(bed.cwd);
    expect(await bed.resume(['--until', 'cells=6'], { clean }, terminal)).toBe(code);
    expect(terminal.errors.at(-1)).toMatch(/^ODP_E_OUTPUT \S+report\.html: cannot write results: \w+$/);
    expect(summaryOf(bed.dir).totals.cells).toBe(6);
  });

  it('summary.json follows from the checkpoint alone', async () => {
    await bed.start(['--until', 'cells=6']);
    const summary = summaryOf(bed.dir);
    const { environment, judgedBy } = summary;
    const entries = summary.totals.entries.map(({ entry }) => entry);
    const again = summarizeSoak(checkpointOf(bed.dir), {
      environment,
      judgedBy,
      entries,
      interruptedBy: null,
      unsaved: null,
    });
    expect(again).toEqual(summary);
  });

  it('without a violation it is 0, and says how much was seen', async () => {
    expect(await bed.start(['--until', 'exposures.fault-in-section=200'], { clean: true })).toBe(0);
    const { totals, verdict, rateBound95 } = summaryOf(bed.dir);
    expect(verdict).toBe('SUCCESS');
    // Canaries do not count.
    expect(totals.exposures['fault-in-section']).toBeGreaterThanOrEqual(200);
    expect(rateBound95['seed/range-stack/v5.5']).toBeCloseTo(
      3 / (totals.entries.find((e) => e.strategy === 'range-stack')!.cells * 150),
    );
  });

  it('a harness that does not see its canary knows nothing: exit code 4', async () => {
    const terminal = terminalIn(bed.cwd);
    expect(await bed.start(['--until', 'rotations=2'], { blind: true }, terminal)).toBe(4);
    expect(summaryOf(bed.dir)).toMatchObject({
      verdict: 'UNKNOWN',
      totals: { canary: { cells: 2, caught: 0, missed: 2 } },
    });
    expect(terminal.errors.join('\n')).toContain('the canary was missed in cell 0');
  });

  it('kinds of cells that did not run are no success', async () => {
    expect(await bed.start(['--until', 'cells=2'], { clean: true })).toBe(4);
    expect(summaryOf(bed.dir).why[0]).toMatch(/^1 of 3 kinds of cells did not run: seed\//);
  });

  it('what a design is known for is no failure under --expect', async () => {
    const may: FakeCell = {
      change: (result) => ({ ...result, expected: { ...result.expected, may: ['counter-underflow', 'stale-dma'] } }),
    };
    expect(await bed.start(['--until', 'rotations=3', '--expect'], may)).toBe(0);
    expect(summaryOf(bed.dir)).toMatchObject({ verdict: 'SUCCESS', judgedBy: 'expectations' });
  });

  it('a missed threshold is 3, with how often', async () => {
    expect(
      await bed.start(['--until', 'rotations=2', '--threshold', 'fault_latency_ns:p99<1us'], { clean: true }),
    ).toBe(3);
    expect(summaryOf(bed.dir).why).toContain('fault_latency_ns:p99<1us was missed in 4 of 4 cells');
  });

  it('a cell in which the harness fails is counted, and the soak goes on', async () => {
    const broken = (n: number): FakeCell => ({
      clean: true,
      change: (result, plan) => {
        if (plan.seed === n) throw new Error('a mistake of ours');
        return result;
      },
    });
    expect(await bed.start(['--until', 'cells=9'], broken(9))).toBe(6);
    reconcile(bed.dir);
    expect(cellsOf(bed.dir)[2]!.fault).toEqual({
      kind: 'thread-threw',
      thread: 'harness',
      message: 'a mistake of ours',
    });
    expect(summaryOf(bed.dir).totals).toMatchObject({ cells: 9, faults: { 'thread-threw': 1 } });
    expect(readFileSync(join(bed.dir, 'odptorture.log'), 'utf8')).toContain(
      'the harness failed in cell 2: a mistake of ours',
    );
  });

  it('what such a cell had found before is counted, and is a failure', async () => {
    const broken: FakeCell = {
      change: () => {
        throw new Error('a mistake of ours');
      },
    };
    expect(await bed.start(['--until', 'rotations=3'], broken)).toBe(1);
    const { violations, records } = reconcile(bed.dir);
    expect(violations).toBeGreaterThan(records);
    expect(summaryOf(bed.dir).totals).toMatchObject({ canary: { caught: 3 }, faults: { 'thread-threw': 9 } });
  });
});

describe('a cell that does not end when it is told to', () => {
  it('is given up after a while and does not count: all others are written, and a resume runs it again', async () => {
    let n = 0;
    const stuck: SoakRunner = {
      ...fakeRunner(),
      runCell(plan, sink, signal) {
        const cell = fakeRunner().runCell(plan, sink, signal);
        if (++n < 5) return cell;
        process.emit('SIGTERM');
        return new Promise(() => {});
      },
    };
    const args = [...SMALL, '--seed', '7', '-o', bed.dir];
    expect(await soakIn(bed.cwd, args, { runner: async () => stuck, graceMs: 50 })).toBe(143);
    expect(summaryOf(bed.dir)).toMatchObject({ reason: 'SIGTERM', interrupted: true, totals: { cells: 4 } });
    await bed.resume(['--until', 'cells=9']);
    expect(reconcile(bed.dir).cells).toBe(9);
    expect(cellsOf(bed.dir).map(({ seed }) => seed)).toEqual([7, 8, 9, 10, 11, 12, 13, 14, 15]);
  });
});

describe('clocks', () => {
  it('eight hours leave at most 100 lines of heartbeats, and cells as long as they were asked to be', async () => {
    const args = [...SMALL, '-o', bed.dir, '-d', '8h', '--cell', '2m'];
    // As often as a heartbeat may come at first, so that none is kept back for want of a chance.
    expect(await soakIn(bed.cwd, args, fakeClocks(120_000, {}, 10_000))).toBe(0);
    const { elapsedMs, totals } = summaryOf(bed.dir);
    expect(elapsedMs).toBe(8 * 3_600_000);
    // Canaries take 2 s.
    expect(totals.cells).toBeGreaterThan(350);
    const heartbeats = readFileSync(join(bed.dir, 'odptorture.log'), 'utf8').match(/"msg":"cell \d+, rotation/g)!;
    expect(heartbeats.length).toBeGreaterThan(60);
    expect(heartbeats.length).toBeLessThanOrEqual(100);
  }, 60_000);

  it('a wall clock that is set makes a soak neither longer nor shorter', async () => {
    const hour = 3_600_000;
    const means = fakeClocks(10_000, { 3: 5 * hour, 7: -9 * hour });
    expect(await soakIn(bed.cwd, [...SMALL, '-o', bed.dir, '-d', '5m'], means)).toBe(0);
    expect(summaryOf(bed.dir).elapsedMs).toBe(300_000);
    const times = cellsOf(bed.dir).map(({ t }) => t);
    expect(times).toEqual([...times].sort((a, b) => a - b));
    reconcile(bed.dir);
  });

  it('--stop-at is a time of the wall clock: the soak ends when that has jumped past it', async () => {
    const means = fakeClocks(10_000, { 5: 9 * 3_600_000 });
    expect(await soakIn(bed.cwd, [...SMALL, '-o', bed.dir, '--stop-at', '07:00'], means)).toBe(0);
    expect(summaryOf(bed.dir)).toMatchObject({ reason: 'stop-at', totals: { cells: 6 } });
  });

  it('the next occurrence of a time is today or tomorrow, on days of 23 and 25 hours too', () => {
    const at = (text: string): Date => new Date(text);
    expect(nextOccurrence({ hours: 7, minutes: 0 }, at('2026-03-01T06:59'))).toEqual(at('2026-03-01T07:00'));
    expect(nextOccurrence({ hours: 7, minutes: 0 }, at('2026-03-01T07:00'))).toEqual(at('2026-03-02T07:00'));
    for (const evening of ['2026-03-28T22:00', '2026-10-24T22:00', '2026-12-31T22:00']) {
      const next = nextOccurrence({ hours: 7, minutes: 30 }, at(evening));
      expect([next.getHours(), next.getMinutes()]).toEqual([7, 30]);
      expect(next.getTime() - at(evening).getTime()).toBeLessThan(26 * 3_600_000);
    }
  });
});

describe('budgets', () => {
  it('of the disk: windows and folders stop, counts go on, and the verdict says so', async () => {
    const terminal = terminalIn(bed.cwd);
    expect(await bed.start(['--until', 'cells=60', '--max-disk', '200kB'], { records: 5 }, terminal)).toBe(1);
    reconcile(bed.dir);
    const { disk, totals, why } = summaryOf(bed.dir);
    expect(disk.full).toBe(true);
    expect(totals.records.overBudget).toBeGreaterThan(0);
    expect(totals.cells).toBe(60);
    expect(why).toContain('the disk budget was reached: since then violations are counted, without windows');
    expect(terminal.errors.filter((line) => line.includes('disk budget'))).toHaveLength(1);
    const last = Math.max(...racesOf(bed.dir).map(({ cell }) => cell!));
    expect(last).toBeLessThan(59);
    // A resume with a larger one has windows again.
    expect(await bed.resume(['--until', 'cells=90', '--max-disk', '1GiB'], { records: 5 })).toBe(1);
    reconcile(bed.dir);
    expect(summaryOf(bed.dir).disk.full).toBe(false);
  });

  it('of the log: what is left out is counted', async () => {
    const noisy: FakeCell = {
      clean: true,
      change: () => {
        throw new Error('x'.repeat(500));
      },
    };
    expect(await bed.start(['--until', 'cells=40', '--max-log', '4kB'], noisy)).toBe(6);
    expect(readFileSync(join(bed.dir, 'odptorture.log')).length).toBeLessThan(8000);
    expect(checkpointOf(bed.dir).log.dropped).toBeGreaterThan(10);
    expect(summaryOf(bed.dir).why.at(-1)).toMatch(/^\d+ lines of odptorture\.log were left out/);
  });

  it('of memory: a process that stays too large ends in order', async () => {
    expect(await bed.start(['--until', 'cells=40', '--max-memory', '1MiB'], { clean: true })).toBe(4);
    expect(summaryOf(bed.dir)).toMatchObject({ reason: 'memory', verdict: 'UNKNOWN', totals: { cells: 1 } });
  });

  it('of one signature: the first records, then those whose number is a power of two; every other one is counted', async () => {
    await bed.start(['--until', 'cells=60'], { records: 3 });
    reconcile(bed.dir);
    for (const { signature, offered, logged } of checkpointOf(bed.dir).signatures) {
      const numbers = racesOf(bed.dir)
        .filter((record) => record.signature === signature)
        .map(({ nth }) => nth);
      const wanted = Array.from({ length: offered }, (_, i) => i + 1).filter((n) => n <= 20 || Math.log2(n) % 1 === 0);
      expect(numbers, signature).toEqual(wanted);
      expect(logged).toBe(wanted.length);
    }
    expect(readdirSync(join(bed.dir, 'violations')).length).toBeGreaterThan(0);
  });
});
