import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openStore, type StoreOptions, utcStamp, VIOLATION_FOLDERS, violationKeeper } from '../../src/results/store.ts';
import type { Summary } from '../../src/results/summary.ts';
import { EXIT, OdpError } from '../../src/scenario/errors.ts';
import { cellResult, underflow } from '../report/results-fixture.ts';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'odp-store-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const options = (more: Partial<StoreOptions> = {}): StoreOptions => ({
  root,
  group: 'seed',
  seed: 7,
  startedAt: new Date('2026-11-23T03:42:20.123Z'),
  ...more,
});

const summary = (): Summary => ({
  schemaVersion: 1,
  runId: 'x',
  command: 'run',
  seed: 7,
  startedAt: '2026-11-23T03:42:20.123Z',
  durationMs: 10,
  verdict: 'SUCCESS',
  judgedBy: 'violations',
  exitCode: 0,
  interrupted: false,
  environment: { node: 'v20', platform: 'linux-x64', cores: 2, cpu: 'c', commit: null, version: '0.1.0' },
  records: { written: 0, lost: 0 },
  thresholds: [],
  cells: [cellResult()],
});

function refusal(run: () => unknown): OdpError {
  try {
    run();
  } catch (error) {
    if (error instanceof OdpError) return error;
  }
  throw new Error('nothing was refused');
}

describe("a run's folder", () => {
  it('is named by time and seed, with a link to the latest', () => {
    expect(utcStamp(new Date('2026-01-02T03:04:05.678Z'))).toBe('20260102T030405Z');
    const store = openStore(options());
    store.close();
    expect(store.dir).toBe(join(root, 'seed', '20261123T034220Z-7'));
    expect(readlinkSync(join(root, 'seed', 'latest'))).toBe('20261123T034220Z-7');
  });

  it('is never shared: a second run in the same second gets its own', () => {
    const first = openStore(options());
    const second = openStore(options());
    expect(second.dir).toBe(`${first.dir}-2`);
    expect(readlinkSync(join(root, 'seed', 'latest'))).toBe('20261123T034220Z-7-2');
    first.close();
    second.close();
  });

  it('says running until it is finished, and holds no half-written file', () => {
    const store = openStore(options());
    const status = (): string =>
      (JSON.parse(readFileSync(join(store.dir, 'run.json'), 'utf8')) as { status: string }).status;
    store.writeRun('running', { seed: 7 });
    expect(status()).toBe('running');
    store.races.add(underflow());
    store.log.log('info', 'hello', { n: 1 });
    store.writeSummary(summary());
    store.writeRun('finished', { seed: 7 });
    store.close();
    expect(status()).toBe('finished');
    expect(readdirSync(store.dir).sort()).toEqual(['odptorture.log', 'races-1.ndjson', 'run.json', 'summary.json']);
    expect(JSON.parse(readFileSync(join(store.dir, 'odptorture.log'), 'utf8'))).toMatchObject({
      level: 'info',
      msg: 'hello',
      n: 1,
    });
  });

  it('refuses to write a summary that is not what the schema says', () => {
    const store = openStore(options());
    expect(() => store.writeSummary({ ...summary(), verdict: 'MAYBE' as 'SUCCESS' })).toThrow();
    expect(existsSync(join(store.dir, 'summary.json'))).toBe(false);
    store.close();
  });

  it('with -o is that folder, unless it holds a run already', () => {
    const dir = join(root, 'mine');
    const store = openStore(options({ dir }));
    store.writeRun('running', {});
    store.close();
    expect(readdirSync(dir)).toEqual(['run.json']);
    const error = refusal(() => openStore(options({ dir })));
    expect(error.message).toBe(`ODP_E_OUTPUT ${dir}: cannot write results: the folder already holds a run`);
    expect(error.exitCode).toBe(EXIT.io);
  });

  it('that cannot be made is one clear error', () => {
    const file = join(root, 'file');
    writeFileSync(file, '');
    for (const wrong of [options({ root: file }), options({ dir: join(file, 'x') })]) {
      const error = refusal(() => openStore(wrong));
      expect(error.message).toMatch(/^ODP_E_OUTPUT \S+: cannot write results: ENOTDIR$/);
      expect(error.exitCode).toBe(EXIT.io);
    }
  });
});

describe('violations of their own', () => {
  it('are kept with record and timeline, and no more than the limit', () => {
    const store = openStore(options());
    for (let i = 1; i <= VIOLATION_FOLDERS + 3; i++) store.keepViolation(underflow({ nth: i }), `timeline ${i}\n`);
    store.close();
    const folder = join(store.dir, 'violations');
    expect(readdirSync(folder)).toHaveLength(VIOLATION_FOLDERS);
    expect(JSON.parse(readFileSync(join(folder, '2', 'violation.json'), 'utf8'))).toEqual(underflow({ nth: 2 }));
    expect(readFileSync(join(folder, '2', 'timeline.txt'), 'utf8')).toBe('timeline 2\n');
  });

  it('that cannot be written end no run; the log says so', () => {
    const store = openStore(options());
    writeFileSync(join(store.dir, 'violations'), 'a file where a folder should be');
    expect(store.keepViolation(underflow(), 'timeline')).toBeNull();
    store.close();
    expect(readFileSync(join(store.dir, 'odptorture.log'), 'utf8')).toContain('violations/1 could not be written');
  });

  it('that cannot be written whole leave nothing behind', () => {
    const store = openStore(options());
    const { dir, log } = store;
    const keep = violationKeeper(dir, log);
    expect(keep(underflow(), 'timeline', { 'no/such/folder': 'a file' })).toBeNull();
    store.close();
    expect(readdirSync(join(dir, 'violations'))).toEqual([]);
  });
});
