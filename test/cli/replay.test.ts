import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatReplay, type Replay, writeReplayFile } from '../../src/explore/replay/replay-file.ts';
import { programSpec, recorded, withProgram } from '../explore/recorded.ts';
import { MAIN, spawned } from './spawned.ts';

let cwd: string;
let bystander: Replay;
const file = (name: string): string => join(cwd, name);
beforeAll(async () => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-replay-cli-'));
  bystander = await withProgram('replay-programs#bystander', (host) => recorded(host, '0,1x2'));
  writeReplayFile(file('found.replay.json'), bystander);
  const subject = programSpec('replay-programs#mended');
  writeReplayFile(file('mended.replay.json'), { ...bystander, subject });
  writeReplayFile(file('threads.replay.json'), { ...bystander, threads: ['a', 'b', 'c', 'd'] });
  writeReplayFile(file('gone.replay.json'), { ...bystander, subject: programSpec('no-such-program') });
  // The recorded schedule itself, but for what it found.
  const finding = { ...bystander.finding, text: 'something else' };
  writeReplayFile(file('other.replay.json'), { ...bystander, finding });
  writeFileSync(file('cut.replay.json'), formatReplay(bystander, file('x')).slice(0, 200));
});
afterAll(() => rmSync(cwd, { recursive: true, force: true }));

const replay = (...args: string[]) => spawned(MAIN, ['replay', ...args], { cwd });

describe('odptorture replay', () => {
  it('draws the schedule and exits 1: the violation is there', async () => {
    const { code, stdout, stderr } = await replay('found.replay.json', '--times', '100');
    expect(stderr).toBe('');
    expect(code).toBe(1);
    expect(stdout).toMatch(/\n1 {2}> store flag = 1 +\|\n2 ~> +\| load flag -> 1\n3 +\| load x -> 0\n/);
    expect(stdout).toContain('==> assertion: the flag came before the word\n');
    expect(stdout).toMatch(/\nreproduced 100 of 100\n$/);
  });

  it('exits 0 when it does not show it any more', async () => {
    const { code, stdout } = await replay('other.replay.json');
    expect(code).toBe(0);
    expect(stdout).toContain('reproduced 0 of 1\nnot shown any more: assertion: something else\n');
  });

  it('exits 4 when it cannot be followed, and says where, and goes on when told to', async () => {
    const strict = await replay('mended.replay.json', '--times', '3');
    expect(strict.code).toBe(4);
    expect(strict.stdout).toContain(
      'reproduced 0 of 3\ndiverged 3 of 3, first at step 1\n  expected writer: store flag\n  found    writer: store x\n',
    );
    const on = await replay('mended.replay.json', '--mode', 'continue');
    expect(on.code).toBe(4);
    expect(on.stdout).toContain('*** step 1 is not as recorded');
    expect(on.stdout).toContain('==> all threads ended, nothing was found');
  });

  it('prints JSON and nothing else, and a page', async () => {
    const { code, stdout, stderr } = await replay('found.replay.json', '--json', '--html', 'race.html');
    expect([code, stderr]).toEqual([1, '']);
    expect(JSON.parse(stdout)).toMatchObject({
      schemaVersion: 1,
      finding: { oracle: 'assertion', text: 'the flag came before the word' },
      times: 1,
      reproduced: 1,
      diverged: 0,
      divergence: null,
      outcome: 'threw',
      preemptions: 1,
      threads: ['writer', 'reader', expect.any(String)],
      steps: [
        { thread: 'writer', step: 'store flag = 1', preempts: false, racing: true },
        { thread: 'reader', step: 'load flag -> 1', preempts: true, racing: true },
        { thread: 'reader', step: 'load x -> 0', preempts: false, racing: false },
      ],
    });
    expect(readFileSync(file('race.html'), 'utf8')).toContain('the flag came before the word');
  });

  it('exits 2 for what is no replay, in one clear line', async () => {
    for (const [name, line] of [
      ['none.replay.json', /^ODP_E_REPLAY_INVALID .*none\.replay\.json: the replay file cannot be read: ENOENT\n$/],
      ['cut.replay.json', /^ODP_E_REPLAY_INVALID .*: it is truncated/],
      ['threads.replay.json', /^ODP_E_REPLAY_INVALID .*has 3 threads, it was recorded with 4\n$/],
      ['gone.replay.json', /^ODP_E_PROGRAM_INVALID .*no-such-program/],
    ] as const) {
      const { code, stdout, stderr } = await replay(name);
      expect([name, code, stdout]).toEqual([name, 2, '']);
      expect(stderr).toMatch(line);
      expect(stderr.trimEnd()).not.toContain('\n');
    }
    const usage = await replay('found.replay.json', '--mode', 'loose');
    expect(usage.code).toBe(2);
    expect(usage.stderr).toMatch(/^ODP_E_USAGE: .*strict/);
    expect((await replay('found.replay.json', '--times', '0')).code).toBe(2);
    const page = await replay('found.replay.json', '--html', 'no/such/folder.html');
    expect([page.code, page.stderr]).toEqual([7, expect.stringContaining('ODP_E_OUTPUT')]);
  });
});
