import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { validateExplore } from '../../src/explore/pipeline/pipeline-result.ts';
import { readReplayFile } from '../../src/explore/replay/replay-file.ts';
import type { ViolationRecord } from '../../src/results/types.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { exploreHere } from './explore-programs.ts';
import { MAIN, spawned } from './spawned.ts';

const STRATEGY = 'private-count-clamped';
const SEEDS = [1, 2, 3, 4, 5, 6];
const ORACLE = 'entry-in-section';

let cwd: string;
/** The run's folder, and one of its violations, as a number. */
let run = '';
let nth = '';

const recordOf = (n: string): ViolationRecord =>
  JSON.parse(readFileSync(join(cwd, run, 'violations', n, 'violation.json'), 'utf8'));

/** A soak on free threads, until one of its seeds shows what is to be explained. */
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-from-'));
  for (const seed of SEEDS) {
    run = `run-${seed}`;
    const args = ['run', 'seed', '-s', STRATEGY, '-d', '2s', '--seed', String(seed), '-o', run, '--no-progress', '-q'];
    await spawned(MAIN, args, { cwd });
    const kept = join(cwd, run, 'violations');
    const numbers = existsSync(kept) ? readdirSync(kept) : [];
    nth = numbers.find((n) => recordOf(n).oracle === ORACLE) ?? '';
    if (nth !== '') return;
  }
  throw new Error(`no ${ORACLE} with seeds ${SEEDS.join(', ')}`);
}, 60_000);
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

/** A copy of the violation, with its run.json, that a test may change. */
function copied(name: string, change: (record: Record<string, unknown>) => void = () => {}): string {
  const folder = join(name, 'violations', '1');
  cpSync(join(cwd, run, 'violations', nth), join(cwd, folder), { recursive: true });
  cpSync(join(cwd, run, 'run.json'), join(cwd, name, 'run.json'));
  rmSync(join(cwd, folder, 'explained'), { recursive: true, force: true });
  const record = { ...recordOf(nth) } as Record<string, unknown>;
  change(record);
  writeFileSync(join(cwd, folder, 'violation.json'), JSON.stringify(record));
  return folder;
}

describe('a violation of a soak', () => {
  it('becomes a small litmus and a schedule that repeats, by one command', { timeout: 120_000 }, async () => {
    const from = join(run, 'violations', nth);
    const args = ['--from', from, '-d', '30s', '--seed', '7', '-o', 'out', '--no-progress'];
    const explored = await exploreHere(args, { cwd });
    expect(explored.code, explored.stdout + explored.stderr).toBe(1);
    expect(explored.stdout).toMatch(/shown by draft \d, /);
    expect(explored.stdout).toContain('replayed 20 of 20');
    expect(explored.stdout).toContain(`odptorture replay ${from}/explained/schedule.replay.json`);

    const explained = join(cwd, from, 'explained');
    const files = ['explained.json', 'litmus.yaml', 'schedule.replay.json', 'timeline.html', 'timeline.txt'];
    expect(readdirSync(explained).sort()).toEqual(files);
    expect(readFileSync(join(explained, 'timeline.txt'), 'utf8')).toContain(ORACLE);
    for (const file of files) expect(readFileSync(join(explained, file), 'utf8'), file).not.toContain(cwd);

    const [cell] = resolveCells(loadScenario(join(explained, 'litmus.yaml')), { strategies: [STRATEGY] });
    expect(cell!.scenario).toBe(`seed-${ORACLE}-${recordOf(nth).nth}`);
    // A section, and whoever makes the entry; a registration of its own at most.
    expect(cell!.litmus!.programs.length).toBeLessThanOrEqual(3);
    expect(cell!.litmus!.programs.flat().length).toBeLessThanOrEqual(5);
    const { must, may } = cell!.expect[STRATEGY]!;
    expect([...must, ...may]).toContain(ORACLE);

    const replay = readReplayFile(join(explained, 'schedule.replay.json'));
    expect(replay.finding.oracle).toBe(ORACLE);
    const { explained: said, drafts } = JSON.parse(readFileSync(join(explained, 'explained.json'), 'utf8'));
    expect(said).toMatchObject({ sameOracle: true, steps: replay.schedule.length, preemptions: replay.preemptions });
    expect(drafts[said.draft - 1].schedules).toBeGreaterThan(0);

    const summary = validateExplore(JSON.parse(readFileSync(join(cwd, 'out/explore.json'), 'utf8')));
    expect(summary).toMatchObject({ verdict: 'VIOLATED', exitCode: 1, target: from, seed: 7 });
    expect(readFileSync(join(cwd, 'out/litmus.yaml'), 'utf8')).toBe(
      readFileSync(join(explained, 'litmus.yaml'), 'utf8'),
    );

    const again = await spawned(MAIN, ['replay', join(explained, 'schedule.replay.json'), '--times', '20'], { cwd });
    expect(again.code, again.stderr).toBe(1);
    expect(again.stdout).toContain('reproduced 20 of 20');
  });

  it('its litmus can be explored and run like any other; a second call takes its place', {
    timeout: 120_000,
  }, async () => {
    const from = join(run, 'violations', nth);
    const litmus = join(from, 'explained/litmus.yaml');
    const explored = await exploreHere([litmus, '-s', STRATEGY, '-d', '20s', '--seed', '1', '--no-progress'], { cwd });
    expect(explored.code, explored.stdout + explored.stderr).toBe(1);
    const ran = await spawned(MAIN, ['run', litmus, '-s', STRATEGY, '-d', '2s', '--seed', '1', '--no-progress'], {
      cwd,
    });
    // By chance, where no order forces it.
    const { must } = resolveCells(loadScenario(join(cwd, litmus)), { strategies: [STRATEGY] })[0]!.expect[STRATEGY]!;
    expect(must.length > 0 ? [1] : [0, 1, 4], ran.stdout + ran.stderr).toContain(ran.code);

    writeFileSync(join(cwd, from, 'explained/of-before'), '');
    const second = await exploreHere(['--from', `${from}/violation.json`, '-d', '30s', '-q', '--no-progress'], { cwd });
    expect(second.code, second.stderr).toBe(1);
    expect(existsSync(join(cwd, from, 'explained/of-before'))).toBe(false);
    expect(existsSync(join(cwd, litmus))).toBe(true);
    // Beside these only the dump of the arena, which the first of its kind has.
    const files = readdirSync(join(cwd, from)).filter((name) => !name.startsWith('arena.'));
    expect(files.sort()).toEqual(['explained', 'timeline.txt', 'violation.json']);
  });

  it('one that no draft shows ends with exit code 4, and what was tried is kept', { timeout: 60_000 }, async () => {
    // Under a design that takes the lock for writing, madvise and a registration cannot overlap; truncate, which takes none, can.
    const folder = copied('held', (record) => {
      const { names, window } = recordOf(nth);
      const tid = names.indexOf('madvise-0');
      record.strategy = 'mmap-write';
      record.thread = { tid, name: names[tid] };
      record.window = window.filter((point) => !names[point.tid]!.startsWith('truncate'));
    });
    const config = JSON.parse(readFileSync(join(cwd, 'held/run.json'), 'utf8'));
    for (const cell of config.cells) cell.strategy = 'mmap-write';
    writeFileSync(join(cwd, 'held/run.json'), JSON.stringify(config));
    const { code, stdout, stderr } = await exploreHere(
      ['--from', folder, '-d', '3s', '--seed', '1', '-o', 'out-held', '--no-progress'],
      { cwd },
    );
    expect(code, stdout + stderr).toBe(4);
    expect(stdout).toContain(`showed ${ORACLE}, or any other violation`);
    const files = readdirSync(join(cwd, folder, 'explained')).sort();
    expect(files.slice(0, 2)).toEqual(['draft-1.yaml', 'draft-2.yaml']);
    const { explained, drafts } = JSON.parse(readFileSync(join(cwd, folder, 'explained/explained.json'), 'utf8'));
    expect(explained).toBe(null);
    // How far the others come depends on the machine.
    expect(drafts[0].schedules).toBeGreaterThan(0);
    expect(drafts.length).toBeGreaterThan(1);
  });
});

describe('what cannot be explained', () => {
  const refused = async (args: readonly string[], message: RegExp): Promise<void> => {
    const { code, stderr } = await exploreHere(args, { cwd });
    expect(stderr).toMatch(message);
    expect(code).toBe(2);
  };

  it('a target beside --from, and flags that say what to explore', async () => {
    const from = ['--from', join(run, 'violations', nth)];
    await refused(['seed', ...from], /^ODP_E_USAGE: explore 'seed' or --from/m);
    await refused([...from, '--strategy', STRATEGY], /^ODP_E_USAGE: --strategy has no meaning with --from/m);
    await refused([...from, '--policy', 'pos'], /^ODP_E_USAGE: --policy has no meaning with --from/m);
  });

  it('a folder that is not there, or holds no violation', async () => {
    await refused(['--from', 'nowhere'], /^ODP_E_VIOLATION_UNREADABLE \S*nowhere: there is no such folder/m);
    await refused(['--from', run], /^ODP_E_VIOLATION_INVALID \S+: it holds no violation\.json/m);
    await refused(
      ['--from', join(run, 'run.json')],
      /^ODP_E_VIOLATION_INVALID \S+: it is not the record of a violation/m,
    );
    const broken = copied('broken');
    writeFileSync(join(cwd, broken, 'violation.json'), '{"oracle":');
    await refused(['--from', broken], /^ODP_E_VIOLATION_INVALID \S+: it is not JSON/m);
  });

  it('one that was taken away from its run', async () => {
    const alone = copied('alone');
    rmSync(join(cwd, 'alone/run.json'));
    await refused(['--from', alone], /^ODP_E_VIOLATION_INVALID \S+run\.json: there is no such file/m);
    const strange = copied('strange', (record) => {
      record.seed = 99;
    });
    await refused(['--from', strange], /^ODP_E_VIOLATION_INVALID \S+: it has no cell of scenario 'seed' .*seed 99/m);
  });

  it('one of a strategy that is not known here', async () => {
    const folder = copied('unknown', (record) => {
      record.strategy = 'wishful';
    });
    const file = join(cwd, 'unknown/run.json');
    writeFileSync(file, readFileSync(file, 'utf8').replaceAll(`"${STRATEGY}"`, '"wishful"'));
    await refused(['--from', folder], /^ODP_E_STRATEGY_UNKNOWN .*no strategy 'wishful'/m);
  });

  it('one that names nothing, and a thread that starves under a load', async () => {
    const bare = copied('bare', (record) => {
      delete record.page;
      delete record.range;
      record.window = [];
    });
    await refused(['--from', bare], /^ODP_E_VIOLATION_UNDRAWABLE .*it names no pages/m);
    const starving = copied('starving', (record) => {
      delete record.page;
      record.oracle = 'starvation';
    });
    await refused(['--from', starving], /^ODP_E_VIOLATION_UNDRAWABLE .*starves under a load/m);
    expect(existsSync(join(cwd, starving, 'explained'))).toBe(false);
  });
});
