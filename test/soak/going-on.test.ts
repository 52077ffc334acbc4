import { appendFileSync, copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { CellResult } from '../../src/results/types.ts';
import { lineDiff } from '../../src/soak/diff.ts';
import type { FakeCell } from './fake-cell.ts';
import {
  cellsOf,
  checkpointOf,
  fakeRunner,
  reconcile,
  SMALL,
  type SoakRunner,
  soakIn,
  summaryOf,
  terminalIn,
  workFolder,
} from './soak-fixture.ts';

let work: ReturnType<typeof workFolder>;
let dir: string;
beforeEach(() => {
  work = workFolder();
  dir = join(work.dir, 'soak');
});
afterEach(() => work.remove());

const doubles = (cell: FakeCell): { runner: () => Promise<SoakRunner> } => ({ runner: async () => fakeRunner(cell) });
const start = (cells: number, cell: FakeCell = {}): Promise<number> =>
  soakIn(work.dir, [...SMALL, '--seed', '7', '-o', dir, '--until', `cells=${cells}`], doubles(cell));
const resume = (args: readonly string[], terminal = terminalIn(work.dir)): Promise<number> =>
  soakIn(work.dir, ['--no-progress', '--resume', dir, ...args], {}, terminal);

describe('going on with a soak', () => {
  it('two halves are the same as the whole', async () => {
    await start(20);
    await resume(['--until', 'cells=45']);
    reconcile(dir);
    const halves = { lines: cellsOf(dir), checkpoint: checkpointOf(dir) };
    dir = join(work.dir, 'whole');
    await start(45);
    const found = (line: CellResult): unknown => [line.scenario, line.strategy, line.seed, line.violations];
    expect(halves.lines.map(found)).toEqual(cellsOf(dir).map(found));
    const { totals, offsets } = checkpointOf(dir);
    expect(halves.checkpoint.totals).toEqual(totals);
    expect(halves.checkpoint.offsets.races.records).toBe(offsets.races.records);
  });

  it('what stands behind the checkpoint is cut off: a torn record, whole ones, files and folders', async () => {
    await start(12);
    const { violationFolders } = checkpointOf(dir);
    appendFileSync(join(dir, 'cells.ndjson'), '{"index":12,"scenario":"se');
    appendFileSync(join(dir, 'races-1.ndjson'), '{"oracle":"stale-dma"}\n{"ora');
    writeFileSync(join(dir, 'races-2.ndjson'), '{"oracle":"stale-dma"}\n');
    mkdirSync(join(dir, `violations/${violationFolders + 1}`), { recursive: true });
    appendFileSync(join(dir, 'odptorture.log'), '{"level":"in');
    writeFileSync(join(dir, 'checkpoint.json.partial'), '{"check');
    await resume(['--until', 'cells=24']);
    expect(reconcile(dir).cells).toBe(24);
    for (const line of readFileSync(join(dir, 'odptorture.log'), 'utf8').trimEnd().split('\n')) JSON.parse(line);
  });

  it.each([
    ['cells.ndjson', /cells\.ndjson: the checkpoint counts on \d+ bytes, and it has 100/],
    ['races-1.ndjson', /races-1\.ndjson: the checkpoint counts on \d+ bytes, and it has 100/],
    ['checkpoint.json', /checkpoint\.json: it is damaged: it is not JSON/],
    ['run.json', /run\.json: it is damaged: it is not JSON/],
  ])('%s that has lost something is refused, and named', async (name, message) => {
    await start(6);
    truncateSync(join(dir, name), 100);
    await expect(resume(['--until', 'cells=9'])).rejects.toThrow(message);
    await expect(resume(['--until', 'cells=9'])).rejects.toMatchObject({ code: 'ODP_E_RESUME', exitCode: 2 });
  });

  it('another seed, other cells or nothing left to do is refused', async () => {
    await start(3);
    const refused = (args: readonly string[]): Promise<void> =>
      expect(resume(args)).rejects.toMatchObject({ code: 'ODP_E_RESUME' });
    await refused(['--seed', '8', '--until', 'cells=9']);
    await refused(['--cell', '3s', '--until', 'cells=9']);
    await refused(['--strategy', 'pinned', '--until', 'cells=9']);
    await expect(resume(['--seed', '8', '--until', 'cells=9'])).rejects.toThrow('--seed was 7, and is 8 now');
    await expect(resume([])).rejects.toThrow(/nothing is left to do after .*; a larger -d/);
    await expect(soakIn(work.dir, ['--resume', join(work.dir, 'none')])).rejects.toThrow(
      'there is no soak to go on with: ENOENT',
    );
    // The same seed may be said again.
    expect(await resume(['--seed', '7', '--until', 'cells=6'])).toBe(1);
  });

  it('a scenario that has changed in between is refused, with the lines', async () => {
    const scenario = join(work.dir, 'own.yaml');
    copyFileSync(join(packageRoot(), 'scenarios/seed.yaml'), scenario);
    const args = [
      '--scenario',
      './own.yaml',
      '--strategy',
      'range-stack',
      '--no-progress',
      '-o',
      dir,
      '--until',
      'cells=2',
    ];
    await soakIn(work.dir, args);
    const text = readFileSync(scenario, 'utf8');
    writeFileSync(scenario, text.replace('pages: 48', 'pages: 64'));
    const terminal = terminalIn(work.dir);
    await expect(resume(['--until', 'cells=4'], terminal)).rejects.toThrow(
      /own\.yaml: it has changed since the soak began/,
    );
    expect(terminal.errors).toEqual(
      expect.arrayContaining([expect.stringMatching(/^--- /), '-  pages: 48', '+  pages: 64']),
    );
    expect(checkpointOf(dir).next.index).toBe(2);
    writeFileSync(scenario, text);
    await resume(['--until', 'cells=4']);
    expect(reconcile(dir).cells).toBe(4);
  });

  it('a campaign file that has changed is refused as well', async () => {
    const file = join(work.dir, 'night.yaml');
    const text = 'kind: campaign\ndescription: d\ncells:\n  - { scenarios: [seed], strategies: [range-stack] }\n';
    writeFileSync(file, text);
    await soakIn(work.dir, ['night.yaml', '--no-progress', '-o', dir, '--until', 'cells=2']);
    writeFileSync(file, text.replace('range-stack', 'pinned'));
    await expect(resume(['--until', 'cells=4'])).rejects.toThrow(/night\.yaml: it has changed since the soak began/);
  });

  it('under another version it goes on, and says so', async () => {
    await start(2);
    const file = join(dir, 'run.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
    const terminal = terminalIn(work.dir);
    await resume(['--until', 'cells=3'], terminal);
    expect(terminal.errors.join('\n')).toContain('version was 0.0.1 when the soak was last begun, and is ');
  });

  it('shows a change as lines', () => {
    expect(lineDiff('a\nb\nc\nd\ne\nf\ng', 'a\nb\nc\nD\ne\nf\ng')).toEqual([' b', ' c', '-d', '+D', ' e', ' f']);
    expect(lineDiff('same', 'same')).toEqual([]);
    expect(lineDiff('a', 'a\nb')).toEqual([' a', '+b']);
  });

  it('--last-failed runs the cells that failed again, with their seeds, and nothing else but the canary', async () => {
    const bad = (seed: number): boolean => seed % 4 === 0;
    const some: FakeCell = {
      clean: true,
      change: (result, plan) =>
        bad(plan.seed) && plan.strategy !== 'private-count'
          ? { ...result, verdict: 'UNKNOWN', fault: { kind: 'hang', thread: 'dma-0', message: 'no progress' } }
          : result,
    };
    await start(30, some);
    const failed = cellsOf(dir).filter(({ fault }) => fault !== undefined);
    expect(failed.length).toBeGreaterThan(2);
    const again = join(work.dir, 'again');
    const args = ['--no-progress', '--last-failed', '--resume', dir, '-o', again, '--repeat-each', '2'];
    expect(await soakIn(work.dir, args, doubles({ clean: true }))).toBe(0);
    const lines = cellsOf(again).filter(({ canary }) => !canary);
    expect(lines.map(({ strategy, seed }) => `${strategy} ${seed}`).sort()).toEqual(
      failed.flatMap(({ strategy, seed }) => [`${strategy} ${seed}`, `${strategy} ${seed}`]).sort(),
    );
    expect(summaryOf(again).totals.canary.cells).toBe(1);
    // Of that one, none has failed.
    await expect(soakIn(work.dir, ['--last-failed', '--resume', again])).rejects.toThrow('no cell failed there');
  });
});
