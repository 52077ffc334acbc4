import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { readReport } from '../../src/cli/report.ts';
import { closeCells, runCell } from '../../src/torture/cell.ts';
import { arenaWords } from '../../src/world/size.ts';
import { FULL } from './real-soak.ts';
import { soakBed, soakIn, terminalIn } from './soak-fixture.ts';

const bed = soakBed();
afterAll(() => closeCells());

// One that is no design of its own: a region is in the tree before its values are set.
const KNOWN_BUG = 'tree-before-values';

it.runIf(FULL)(
  'a violation of a known bug that a soak has kept is explored from its folder alone',
  async () => {
    const runner = { runCell, closeCells, arenaWords };
    const args = ['--scenario', 'seed', '--strategy', KNOWN_BUG, '--cell', '1500ms', '--seed', '3', '--no-progress'];
    const ends = ['-o', bed.dir, '--until', 'violations=3', '-d', '60s', '--lock-stat', 'counts'];
    await soakIn(bed.cwd, [...args, ...ends], { runner: async () => runner });
    const folders = readdirSync(join(bed.dir, 'violations')).map((name) => join(bed.dir, 'violations', name));
    const oracleOf = (folder: string): unknown =>
      (JSON.parse(readFileSync(join(folder, 'violation.json'), 'utf8')) as { oracle: unknown }).oracle;
    const folder = folders.find((one) => oracleOf(one) === 'counter-underflow')!;

    const terminal = terminalIn(bed.cwd);
    const explored = ['explore', '--from', folder, '--no-progress', '--seed', '1', '-d', '90s', '-o', 'explored'];
    expect(await main(explored, terminal), terminal.errors.join('\n')).toBe(1);
    expect(terminal.lines.join('\n')).toMatch(/==> counter-underflow: the running count of umem \d+ went to -1/);
    expect(existsSync(join(folder, 'explained/litmus.yaml'))).toBe(true);
    const replay = join(folder, 'explained/schedule.replay.json');
    expect(await main(['replay', replay], terminalIn(bed.cwd))).toBe(1);
    // The report of the soak says so.
    const commands = readReport(bed.dir, bed.cwd).signatures.flatMap(({ repeat }) => repeat.map((one) => one.command));
    expect(commands.filter((command) => command.startsWith('odptorture replay '))).toHaveLength(1);
  },
  150_000,
);
