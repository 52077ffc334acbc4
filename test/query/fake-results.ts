import { appendFileSync, mkdirSync, mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type QueryFlags, queryCommand } from '../../src/cli/query.ts';
import type { Terminal } from '../../src/cli/terminal-io.ts';
import type { CellResult, ViolationRecord } from '../../src/results/types.ts';
import { OdpError } from '../../src/scenario/errors.ts';

export const freshFolder = (): string => mkdtempSync(join(tmpdir(), 'odp-query-'));

const ENVIRONMENT = { node: 'v20.20.2', platform: 'linux-x64', cores: 2, cpu: 'a', commit: 'c0ffee', version: '0.1.0' };
const json = (value: unknown): string => `${JSON.stringify(value)}\n`;

/** A finished run as the harness leaves it; with `cells` null, one that was killed. */
export function writeRun(dir: string, cells: readonly CellResult[] | null, records: readonly ViolationRecord[]): void {
  mkdirSync(dir, { recursive: true });
  const head = {
    schemaVersion: 1,
    command: 'run',
    seed: 1,
    startedAt: '2026-11-23T10:00:00.000Z',
    environment: ENVIRONMENT,
  };
  writeFileSync(join(dir, 'run.json'), json({ status: cells === null ? 'running' : 'finished', ...head, cells: [] }));
  if (cells !== null)
    writeFileSync(
      join(dir, 'summary.json'),
      JSON.stringify({ ...head, verdict: 'FAILURE', exitCode: 1, durationMs: 9000, cells }, null, 2),
    );
  // Cut into two files, as a long log is; the second begins with the third record.
  records.forEach((record, i) => {
    const line = { level: 'error', time: new Date(Date.UTC(2026, 10, 23, 10, 0, i)).toISOString(), ...record };
    appendFileSync(join(dir, `races-${i < 2 ? 1 : 2}.ndjson`), json(line));
  });
}

export function writeExploration(dir: string): void {
  mkdirSync(dir, { recursive: true });
  const head = {
    schemaVersion: 1,
    command: 'explore',
    seed: 1,
    startedAt: '2026-11-23T10:00:00.000Z',
    environment: ENVIRONMENT,
  };
  const violation = { oracle: 'counter-underflow', text: 'went to -1', preemptions: 2, folder: 'violations/1' };
  writeFileSync(join(dir, 'run.json'), json({ status: 'finished', ...head, explorations: [] }));
  // An exploration has one as well.
  writeFileSync(join(dir, 'checkpoint.json'), json({}));
  writeFileSync(
    join(dir, 'explore.json'),
    json({
      ...{ ...head, verdict: 'VIOLATED', exitCode: 1, durationMs: 70 },
      explorations: [
        {
          name: 'a',
          kind: 'litmus',
          strategy: 'private-count',
          verdict: 'VIOLATED',
          schedules: 12,
          violations: [violation, violation],
        },
        { name: 'b', kind: 'litmus', strategy: 'pinned', verdict: 'PROVED', schedules: 3, violations: [] },
      ],
    }),
  );
}

export interface Asked {
  readonly code: number;
  readonly out: readonly string[];
  readonly err: readonly string[];
  /** Stable code of the error, if it was one. */
  readonly error: string | null;
  readonly message: string;
}

/** `odptorture query` in this process. */
export async function ask(cwd: string, given: readonly string[], flags: QueryFlags = {}, stdin = ''): Promise<Asked> {
  const out: string[] = [];
  const err: string[] = [];
  const terminal: Terminal = {
    out: (line) => out.push(line),
    err: (line) => err.push(line),
    env: {},
    cwd,
    outIsTty: false,
    errIsTty: false,
    width: 110,
    stderr: process.stderr,
  };
  const input = (async function* () {
    yield stdin;
  })();
  try {
    return { code: await queryCommand(given, flags, terminal, input), out, err, error: null, message: '' };
  } catch (error) {
    if (!(error instanceof OdpError)) throw error;
    return { code: error.exitCode, out, err, error: error.code, message: error.message };
  }
}

/** The rows of a query as objects. */
export async function rows(cwd: string, ...given: readonly string[]): Promise<Record<string, unknown>[]> {
  const asked = await ask(cwd, given, { format: 'ndjson' });
  if (asked.error !== null) throw new Error(asked.message);
  return asked.out.map((line) => JSON.parse(line) as Record<string, unknown>);
}
