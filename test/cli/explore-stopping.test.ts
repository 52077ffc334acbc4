import { appendFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Checkpoint } from '../../src/explore/pipeline/checkpoint.ts';
import type { ExploreSummary } from '../../src/explore/pipeline/pipeline-result.ts';
import { explore, exploreHere, writeProgram } from './explore-programs.ts';

let cwd: string;
let wide: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-explore-stop-'));
  wide = writeProgram(cwd, 'wide');
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const summaryOf = (dir: string): ExploreSummary =>
  JSON.parse(readFileSync(join(cwd, dir, 'explore.json'), 'utf8')) as ExploreSummary;
const statusOf = (dir: string): string =>
  (JSON.parse(readFileSync(join(cwd, dir, 'run.json'), 'utf8')) as { status: string }).status;

/** Resolves when an exploration has written that it has run schedules. */
async function untilItRuns(dir: string): Promise<void> {
  const file = join(cwd, dir, 'checkpoint.json');
  const hasRun = (): boolean =>
    existsSync(file) &&
    (JSON.parse(readFileSync(file, 'utf8')) as Checkpoint).explorations[0]!.state!.tally.schedules > 0;
  while (!hasRun()) await new Promise((resolve) => setTimeout(resolve, 30));
}

/** Processes that a process has started, as Linux tells them. */
function childrenOf(pid: number): number[] {
  const stat = (entry: string): string => {
    try {
      return readFileSync(`/proc/${entry}/stat`, 'utf8');
    } catch {
      return '';
    }
  };
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && stat(entry).split(') ').at(-1)?.split(' ')[1] === String(pid))
    .map(Number);
}

describe('an exploration that is interrupted', () => {
  it('the first Ctrl-C writes the summary, and --resume goes on with the counts', async () => {
    const args = ['wide.mjs', '--policy', 'pos', '--schedules', '60k', '--seed', '5'];
    const first = await explore([...args, '-o', 'one', '-q'], {
      cwd,
      during: (child) => void untilItRuns('one').then(() => child.kill('SIGINT')),
    });
    expect(first.code, first.stderr).toBe(130);
    const before = summaryOf('one');
    expect(before).toMatchObject({ interrupted: true, exitCode: 130, verdict: 'UNKNOWN' });
    expect(before.explorations[0]).toMatchObject({ interrupted: true, why: 'it was interrupted' });
    expect(statusOf('one')).toBe('interrupted');
    const done = before.explorations[0]!.schedules;
    expect(done).toBeGreaterThan(0);
    expect(done).toBeLessThan(60_000);
    // The processes are gone with it.
    const checkpoint = JSON.parse(readFileSync(join(cwd, 'one/checkpoint.json'), 'utf8')) as Checkpoint;
    expect(checkpoint.explorations[0]!.state!.tally.schedules).toBe(done);

    // Beyond the batches that were begun, so that the schedules are those of one run.
    const asked = checkpoint.explorations[0]!.state!.sampler!.next + 500;
    const second = await exploreHere(['--resume', 'one', '--schedules', String(asked), '-o', 'two', '-q'], { cwd });
    expect(second.code, second.stderr).toBe(0);
    const after = summaryOf('two');
    expect(after).toMatchObject({ seed: 5, resumedFrom: 'one', verdict: 'NO-VIOLATION' });
    expect(after.explorations[0]).toMatchObject({ schedules: asked, policy: 'pos' });
    // No schedule was run twice: the sampler's numbers are those of one run without a break.
    const whole = await exploreHere(
      [...args.slice(0, 3), '--schedules', String(asked), '--seed', '5', '-o', 'whole', '-q'],
      { cwd },
    );
    expect(whole.code).toBe(0);
    expect(after.explorations[0]!.coverage).toEqual(summaryOf('whole').explorations[0]!.coverage);
  });

  it('is not resumed when the program, a setting or the target has changed, or nothing is left', async () => {
    const run = await exploreHere(
      ['wide.mjs', '--policy', 'random', '--schedules', '300', '--seed', '5', '-o', 'one', '-q'],
      { cwd },
    );
    expect(run.code, run.stderr).toBe(0);
    const refused = async (args: readonly string[], message: RegExp): Promise<void> => {
      const { code, stderr } = await exploreHere(['--resume', 'one', '-q', ...args], { cwd });
      expect(stderr).toMatch(message);
      expect(code).toBe(2);
    };
    await refused([], /^ODP_E_RESUME one: nothing is left to do/m);
    await refused(['--schedules', '600', '--seed', '6'], /^ODP_E_RESUME one: --seed was 5, and is 6 now/m);
    writeProgram(cwd, 'two');
    await refused(['two.mjs', '--schedules', '600'], /^ODP_E_RESUME one: it explored 'wide\.mjs', not 'two\.mjs'/m);
    appendFileSync(wide, '\n// another day\n');
    await refused(['--schedules', '600'], /^ODP_E_RESUME one: 'wide' has changed since/m);
    const nowhere = await exploreHere(['--resume', 'nowhere'], { cwd });
    expect(nowhere.stderr).toMatch(/^ODP_E_RESUME \S*nowhere\/checkpoint\.json: there is no checkpoint/m);
  });

  it.runIf(process.platform === 'linux')('survives that one of its processes is killed', async () => {
    let killed = 0;
    const run = await explore(
      ['wide.mjs', '--policy', 'pos', '--schedules', '15k', '--seed', '5', '--jobs', '2', '-o', 'one', '-q'],
      {
        cwd,
        during: (child) =>
          void untilItRuns('one').then(() => {
            killed = childrenOf(child.pid!)[0]!;
            process.kill(killed, 'SIGKILL');
          }),
      },
    );
    expect(run.stderr).toContain(`process ${killed} ended: SIGKILL; another one does its work again`);
    expect(run.code, run.stderr).toBe(0);
    expect(summaryOf('one').explorations[0]).toMatchObject({ verdict: 'NO-VIOLATION', schedules: 15_000, restarts: 1 });
  });

  it('progress goes to stderr, and the result alone to stdout', async () => {
    const run = await explore(['wide.mjs', '--policy', 'random', '--schedules', '300', '--seed', '5', '--json'], {
      cwd,
    });
    expect(() => JSON.parse(run.stdout)).not.toThrow();
    expect(run.stderr).toContain('odptorture: explore wide.mjs seed=5');
    const quiet = await explore(['wide.mjs', '--policy', 'random', '--schedules', '300', '--seed', '5', '-q'], { cwd });
    expect(quiet.stdout).toMatch(/^odptorture: 1 no violation, 300 schedules; NO VIOLATION; seed 5; .*\n$/);
    expect(quiet.stderr).toBe('');
  });
});
