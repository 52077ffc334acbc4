import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { type SeriesPoint, seriesPointSchema } from '../../src/results/soak-types.ts';
import { readViolation } from '../../src/results/violation-file.ts';
import { closeCells, runCell } from '../../src/torture/cell.ts';
import { arenaWords } from '../../src/world/size.ts';
import { checkpointOf, racesOf, reconcile, soakIn, summaryOf, terminalIn, workFolder } from './soak-fixture.ts';

let work: ReturnType<typeof workFolder>;
let dir: string;

// One short soak on real threads: a known-bad design beside the canary, so that there are records of both kinds.
beforeAll(async () => {
  work = workFolder();
  dir = join(work.dir, 'soak');
  const runner = { runCell, closeCells, arenaWords };
  const args = [
    '--scenario',
    'seed',
    '--strategy',
    'private-count',
    '--cell',
    '1500ms',
    '--seed',
    '5',
    '--lock-stat',
    'full',
    '--no-progress',
    '-o',
    dir,
  ];
  const code = await soakIn(work.dir, [...args, '--until', 'cells=2'], { runner: async () => runner });
  expect(code).toBe(1);
}, 60_000);
afterAll(() => work.remove());

type JsonSchema = { properties?: Record<string, unknown>; required?: string[]; additionalProperties?: unknown };

/** What `odptorture schema NAME` prints. */
async function printed(name: string): Promise<JsonSchema> {
  const terminal = terminalIn(work.dir);
  expect(await main(['schema', name], terminal)).toBe(0);
  return JSON.parse(terminal.lines.join('\n')) as JsonSchema;
}

/** Members that the schema knows, and all that it requires. */
async function expectFits(name: string, records: readonly object[]): Promise<void> {
  const { properties, required, additionalProperties } = await printed(name);
  expect(records.length).toBeGreaterThan(0);
  expect(additionalProperties).toBe(false);
  for (const record of records) {
    const keys = Object.keys(record);
    expect(Object.keys(properties!)).toEqual(expect.arrayContaining(keys));
    expect(keys).toEqual(expect.arrayContaining(required!));
  }
}

const positive = (counts: Readonly<Record<string, number>>): Record<string, number> =>
  Object.fromEntries(Object.entries(counts).filter(([, n]) => n > 0));

describe('records of a soak on real threads', () => {
  it('are what their schemas say', async () => {
    // Each line was parsed by the strict schema when it was read.
    await expectFits('races', racesOf(dir));
    await expectFits('soak', [summaryOf(dir)]);
    const points = readFileSync(join(dir, 'series.ndjson'), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line): SeriesPoint => seriesPointSchema.parse(JSON.parse(line)));
    await expectFits('series', points);
    expect(points.some(({ rates, latency }) => rates.faults! > 0 && latency!.fault.p99 > 0)).toBe(true);
    const { exposures, violations } = checkpointOf(dir).totals;
    expect(points.at(-1)).toMatchObject({ exposureCounts: positive(exposures), violationCounts: violations });
    expect(Object.keys(points.at(-1)!.latency!)).toEqual(expect.arrayContaining(['register', 'deregister', 'section']));
    await expectFits('cells', [JSON.parse(readFileSync(join(dir, 'cells.ndjson'), 'utf8').split('\n')[0]!) as object]);
  });

  it('add up, by signature and point as well', () => {
    const { violations } = reconcile(dir);
    expect(violations).toBeGreaterThan(10);
    for (const { signature, oracle, strategy, role, point, notLogged, count, logged } of checkpointOf(dir).signatures) {
      expect(signature).toBe(`${oracle}/${strategy}/${role}/${point}`);
      expect(notLogged).toBe(count - logged);
      expect(point).not.toMatch(/^lock\./);
    }
  });

  it('have the statistics of locks and the distributions of latencies, summed', () => {
    const text = readFileSync(join(dir, 'lock_stat.txt'), 'utf8');
    expect(text).toContain('seed private-count era=v5.5 cells=1\nlock_stat version 0.4\n');
    expect(text).toContain('seed private-count era=v5.5 cells=1 canary\n');
    for (const name of ['mmap_lock-R', 'umem_rwsem-W']) expect(text).toMatch(new RegExp(`^ +${name}: +\\d`, 'm'));
    const files = readdirSync(join(dir, 'latency'));
    for (const cell of ['seed-private-count-v5.5', 'seed-private-count-v5.5-canary'])
      for (const figure of ['fault', 'section', 'register', 'lock-wait', 'lock-hold-mmap_lock-R'])
        expect(files).toContain(`${cell}-${figure}.hgrm`);
    // Of each wait that is counted, its time is in a histogram.
    for (const { locks, histograms } of checkpointOf(dir).figures)
      for (const { name, mode, contentions, holdNs } of locks) {
        const count = (figure: string): number =>
          histograms[`lock-${figure}-${name}-${mode}`]?.counts.reduce((a, b) => a + b, 0) ?? 0;
        expect(count('wait')).toBe(contentions);
        expect(count('hold')).toBe(holdNs!.count);
      }
  });

  it('a violation of it can be explored: its cell lies beside it', () => {
    const { record, plan } = readViolation(join(dir, 'violations/1'));
    expect(plan).toMatchObject({ scenario: 'seed', strategy: 'private-count', seed: record.seed });
  });

  it('a report can be made of it', async () => {
    const terminal = terminalIn(work.dir);
    await main(['report', dir], terminal);
    expect(terminal.errors).toEqual([]);
  });
});
