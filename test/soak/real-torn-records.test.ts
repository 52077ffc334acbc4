import { appendFileSync, cpSync, readdirSync, readFileSync, statSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../src/cli/program.ts';
import { reconcileReal } from './real-reconcile.ts';
import { begin, ENDED, FULL, type RealFolder, realFolder, resume, soakProcess } from './real-soak.ts';
import { checkpointOf, terminalIn } from './soak-fixture.ts';

const FILES = ['cells', 'races', 'series', 'log'] as const;
type FileKind = (typeof FILES)[number];

let folder: RealFolder;
/** Cells that the checkpoint counts. */
let counted: number;

// One soak, killed in a cell; each test has a copy of what it left.
beforeAll(async () => {
  folder = realFolder();
  const run = await soakProcess(folder, begin(folder, '-v', '-d', '10h'), {
    during: (child) => {
      let lines = 0;
      child.stdout.on('data', (data: Buffer) => {
        lines += data.toString().split('\n').length - 1;
        if (lines > 4) child.kill('SIGKILL');
      });
    },
  });
  expect(run.signal, run.stderr).toBe('SIGKILL');
  counted = checkpointOf(folder.soak).next.index;
  expect(counted).toBeGreaterThanOrEqual(4);
}, 60_000);
afterAll(() => folder.remove());

function copy(name: string): RealFolder {
  const soak = join(folder.dir, name);
  cpSync(folder.soak, soak, { recursive: true });
  return { ...folder, soak };
}

/** The file that is written to; the last one of the race log, whatever its name is while it is open. */
function fileOf(dir: string, kind: FileKind): string {
  const names = { cells: 'cells.ndjson', series: 'series.ndjson', log: 'odptorture.log' };
  if (kind !== 'races') return join(dir, names[kind]);
  const numbers = readdirSync(dir).flatMap((name) => /^races-(\d+)\.ndjson/.exec(name) ?? []);
  const last = Math.max(...numbers.map(Number).filter(Number.isFinite));
  return join(dir, readdirSync(dir).find((name) => name.startsWith(`races-${last}.ndjson`))!);
}

/** The last whole line of a file, without its end. */
function lastLine(file: string): Buffer {
  const bytes = readFileSync(file);
  const end = bytes.lastIndexOf('\n');
  return bytes.subarray(bytes.lastIndexOf('\n', end - 1) + 1, end);
}

async function expectReport(dir: string): Promise<void> {
  const terminal = terminalIn(folder.dir);
  expect(await main(['report', dir], terminal), terminal.errors.join('\n')).toBe(0);
  expect(terminal.lines.join('\n')).toContain('private-count');
}

async function expectGoesOn(torn: RealFolder): Promise<void> {
  const run = await soakProcess(torn, resume(torn, '--until', `cells=${counted + 2}`));
  expect(ENDED, run.stderr).toContain(run.code);
  expect(reconcileReal(torn.soak).cells).toBe(counted + 2);
}

describe('a last record that is cut off', () => {
  // One at a time, or all of them in one folder.
  const together = FULL ? FILES.map((kind) => ({ kinds: [kind] })) : [{ kinds: [...FILES] }];
  it.each(together)('as a kill leaves it, in the files of $kinds: it can be reported, and gone on with', async ({
    kinds,
  }) => {
    const torn = copy(`torn-${kinds.join('-')}`);
    for (const kind of kinds) {
      const file = fileOf(torn.soak, kind);
      const line = lastLine(file);
      appendFileSync(file, line.subarray(0, line.length >>> 1));
    }
    await expectReport(torn.soak);
    await expectGoesOn(torn);
  });

  it.runIf(FULL).each(['series', 'log'] as const)(
    'in the file of %s also one that had been written whole',
    async (kind) => {
      const torn = copy(`cut-${kind}`);
      const file = fileOf(torn.soak, kind);
      truncateSync(file, statSync(file).size - (lastLine(file).length >>> 1));
      await expectReport(torn.soak);
      await expectGoesOn(torn);
    },
  );

  it.each([
    'cells',
    'races',
  ] as const)('in the file of %s one that was counted is no kill, but a loss: it is named', async (kind) => {
    const torn = copy(`lost-${kind}`);
    const { offsets } = checkpointOf(torn.soak);
    const file = fileOf(torn.soak, kind);
    truncateSync(file, (kind === 'cells' ? offsets.cells : offsets.races.bytes) - (lastLine(file).length >>> 1));
    await expectReport(torn.soak);
    const run = await soakProcess(torn, resume(torn, '--until', `cells=${counted + 2}`));
    expect(run.code, run.stderr).toBe(2);
    expect(run.stderr).toMatch(/^ODP_E_RESUME \S+\.ndjson\S*: the checkpoint counts on \d+ bytes, and it has \d+$/m);
  });
});
