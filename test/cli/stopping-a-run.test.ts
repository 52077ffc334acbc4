import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { Summary } from '../../src/results/summary.ts';
import { FAKE, spawned, untilPrinted } from './spawned.ts';

let cwd: string;
beforeEach(() => {
  cwd = mkdtempSync(join(tmpdir(), 'odp-stop-'));
});
afterEach(() => rmSync(cwd, { recursive: true, force: true }));

const read = <T>(name: string): T => JSON.parse(readFileSync(join(cwd, 'results/seed/latest', name), 'utf8')) as T;

describe('stopping a run', () => {
  it.each([
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const)('the first %s ends it with a full summary and exit code %d', async (signal, code) => {
    const run = await spawned(FAKE, ['waits'], {
      cwd,
      during: (child) => void untilPrinted(child, 'cell runs').then(() => child.kill(signal)),
    });
    expect(run.code, run.stderr).toBe(code);
    const summary = read<Summary>('summary.json');
    expect(summary).toMatchObject({ interrupted: true, exitCode: code, records: { written: 1, lost: 0 } });
    // The cells that had not begun are not made up.
    expect(summary.cells).toHaveLength(1);
    expect(read<{ status: string }>('run.json').status).toBe('interrupted');
    expect(readFileSync(join(cwd, 'results/seed/latest/races-1.ndjson'), 'utf8')).toMatch(/^\{.*\}\n$/);
    expect(run.stdout).toContain('interrupted');
  });

  it('the second one ends it at once, and run.json shows that it was cut short', async () => {
    const run = await spawned(FAKE, ['stuck'], {
      cwd,
      during: (child) => {
        void untilPrinted(child, 'cell runs').then(() => child.kill('SIGINT'));
        child.stderr.on('data', (data: Buffer) => {
          if (data.toString().includes('once more')) child.kill('SIGINT');
        });
      },
    });
    expect(run.code).toBe(130);
    expect(read<{ status: string }>('run.json').status).toBe('running');
  });

  it('a reader that goes away does not: the results are written all the same', async () => {
    const run = await spawned(FAKE, ['talks'], {
      cwd,
      during: (child) => void untilPrinted(child, 'cell runs').then(() => child.stdout.destroy()),
    });
    expect(run.code, run.stderr).toBe(0);
    expect(run.stderr).toBe('');
    expect(read<Summary>('summary.json').cells).toHaveLength(2000);
  });
});
