import { appendFileSync, copyFileSync, mkdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { CellResult } from '../../src/results/types.ts';
import { lineDiff } from '../../src/soak/diff.ts';
import type { FakeCell } from './fake-cell.ts';
import { cellsOf, checkpointOf, doubles, reconcile, soakBed, soakIn, summaryOf, terminalIn } from './soak-fixture.ts';

const bed = soakBed();
const start = (cells: number, cell: FakeCell = {}): Promise<number> => bed.start(['--until', `cells=${cells}`], cell);

describe('going on with a soak', () => {
  it('two halves are the same as the whole', async () => {
    await start(20);
    await bed.resume(['--until', 'cells=45']);
    reconcile(bed.dir);
    const halves = { lines: cellsOf(bed.dir), checkpoint: checkpointOf(bed.dir) };
    const whole = join(bed.cwd, 'whole');
    await bed.start(['--until', 'cells=45', '-o', whole]);
    const found = (line: CellResult): unknown => [line.scenario, line.strategy, line.seed, line.violations];
    expect(halves.lines.map(found)).toEqual(cellsOf(whole).map(found));
    const { totals, figures, offsets } = checkpointOf(whole);
    expect(halves.checkpoint.totals).toEqual(totals);
    expect(halves.checkpoint.figures).toEqual(figures);
    expect(halves.checkpoint.offsets.races.records).toBe(offsets.races.records);
  });

  it('what stands behind the checkpoint is cut off: a torn record, whole ones, files and folders', async () => {
    await start(12);
    const { violationFolders } = checkpointOf(bed.dir);
    appendFileSync(join(bed.dir, 'cells.ndjson'), '{"index":12,"scenario":"se');
    appendFileSync(join(bed.dir, 'races-1.ndjson'), '{"oracle":"stale-dma"}\n{"ora');
    writeFileSync(join(bed.dir, 'races-2.ndjson'), '{"oracle":"stale-dma"}\n');
    mkdirSync(join(bed.dir, `violations/${violationFolders + 1}`), { recursive: true });
    appendFileSync(join(bed.dir, 'odptorture.log'), '{"level":"in');
    writeFileSync(join(bed.dir, 'checkpoint.json.partial'), '{"check');
    await bed.resume(['--until', 'cells=24']);
    expect(reconcile(bed.dir).cells).toBe(24);
    for (const line of readFileSync(join(bed.dir, 'odptorture.log'), 'utf8').trimEnd().split('\n')) JSON.parse(line);
  });

  it.each([
    ['cells.ndjson', /cells\.ndjson: the checkpoint counts on \d+ bytes, and it has 100/],
    ['races-1.ndjson', /races-1\.ndjson: the checkpoint counts on \d+ bytes, and it has 100/],
    ['checkpoint.json', /checkpoint\.json: it is damaged: it is not JSON/],
    ['run.json', /run\.json: it is damaged: it is not JSON/],
  ])('%s that has lost something is refused, and named', async (name, message) => {
    await start(6);
    truncateSync(join(bed.dir, name), 100);
    await expect(bed.resume(['--until', 'cells=9'])).rejects.toThrow(message);
    await expect(bed.resume(['--until', 'cells=9'])).rejects.toMatchObject({ code: 'ODP_E_RESUME', exitCode: 2 });
  });

  it('another seed, other cells or nothing left to do is refused', async () => {
    await start(3);
    const refused = (args: readonly string[]): Promise<void> =>
      expect(bed.resume(args)).rejects.toMatchObject({ code: 'ODP_E_RESUME' });
    await refused(['--seed', '8', '--until', 'cells=9']);
    await refused(['--cell', '3s', '--until', 'cells=9']);
    await refused(['--strategy', 'pinned', '--until', 'cells=9']);
    await refused(['--lock-stat', 'full', '--until', 'cells=9']);
    await expect(bed.resume(['--seed', '8', '--until', 'cells=9'])).rejects.toThrow('--seed was 7, and is 8 now');
    await expect(bed.resume([])).rejects.toThrow(/nothing is left to do after .*; a larger -d/);
    await expect(soakIn(bed.cwd, ['--resume', join(bed.cwd, 'none')])).rejects.toThrow(
      'there is no soak to go on with: ENOENT',
    );
    // The same seed may be said again.
    expect(await bed.resume(['--seed', '7', '--until', 'cells=6'])).toBe(1);
  });

  it('a scenario that has changed in between is refused, with the lines', async () => {
    const scenario = join(bed.cwd, 'own.yaml');
    copyFileSync(join(packageRoot(), 'scenarios/seed.yaml'), scenario);
    const args = [
      '--scenario',
      './own.yaml',
      '--strategy',
      'range-stack',
      '--no-progress',
      '-o',
      bed.dir,
      '--until',
      'cells=2',
    ];
    await soakIn(bed.cwd, args);
    const text = readFileSync(scenario, 'utf8');
    writeFileSync(scenario, text.replace('pages: 48', 'pages: 64'));
    const terminal = terminalIn(bed.cwd);
    await expect(bed.resume(['--until', 'cells=4'], {}, terminal)).rejects.toThrow(
      /own\.yaml: it has changed since the soak began/,
    );
    expect(terminal.errors).toEqual(
      expect.arrayContaining([expect.stringMatching(/^--- /), '-  pages: 48', '+  pages: 64']),
    );
    expect(checkpointOf(bed.dir).next.index).toBe(2);
    writeFileSync(scenario, text);
    await bed.resume(['--until', 'cells=4']);
    expect(reconcile(bed.dir).cells).toBe(4);
  });

  it('a campaign file that has changed is refused as well', async () => {
    const file = join(bed.cwd, 'night.yaml');
    const text = 'kind: campaign\ndescription: d\ncells:\n  - { scenarios: [seed], strategies: [range-stack] }\n';
    writeFileSync(file, text);
    await soakIn(bed.cwd, ['night.yaml', '--no-progress', '-o', bed.dir, '--until', 'cells=2']);
    writeFileSync(file, text.replace('range-stack', 'pinned'));
    await expect(bed.resume(['--until', 'cells=4'])).rejects.toThrow(
      /night\.yaml: it has changed since the soak began/,
    );
  });

  it('under another version it goes on, and says so', async () => {
    await start(2);
    const file = join(bed.dir, 'run.json');
    writeFileSync(file, readFileSync(file, 'utf8').replace(/"version": "[^"]+"/, '"version": "0.0.1"'));
    const terminal = terminalIn(bed.cwd);
    await bed.resume(['--until', 'cells=3'], {}, terminal);
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
    const failed = cellsOf(bed.dir).filter(({ fault }) => fault !== undefined);
    expect(failed.length).toBeGreaterThan(2);
    const again = join(bed.cwd, 'again');
    const args = ['--no-progress', '--last-failed', '--resume', bed.dir, '-o', again, '--repeat-each', '2'];
    expect(await soakIn(bed.cwd, args, doubles({ clean: true }))).toBe(0);
    const lines = cellsOf(again).filter(({ canary }) => !canary);
    expect(lines.map(({ strategy, seed }) => `${strategy} ${seed}`).sort()).toEqual(
      failed.flatMap(({ strategy, seed }) => [`${strategy} ${seed}`, `${strategy} ${seed}`]).sort(),
    );
    expect(summaryOf(again).totals.canary.cells).toBe(1);
    // Of that one, none has failed.
    await expect(soakIn(bed.cwd, ['--last-failed', '--resume', again])).rejects.toThrow('no cell failed there');
  });
});
