import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot, shippedScenarios } from '../../src/cli/package-root.ts';
import { openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { replaySchedule, replayTimes } from '../../src/explore/replay/replay.ts';
import {
  formatReplay,
  parseReplay,
  type Replay,
  readReplayFile,
  writeReplayFile,
} from '../../src/explore/replay/replay-file.ts';
import { describeFound, drawReplay, replayFileName } from '../../src/explore/replay/replay-record.ts';
import { packRuns, unpackRuns } from '../../src/explore/replay/schedule-text.ts';
import { resolveSubject } from '../../src/explore/subject/open.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { OPTIONS, type Opened, opened, programSpec, recorded, tids, withProgram } from './recorded.ts';

const SEED = 20_140_909;
const MODEL_B = '0x2,2x2,1x6,0x8,2x9,1x6';

let dir: string;
let model: Opened;
let replay: Replay;
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'odp-replay-'));
  model = await opened('../programs/model-b');
  replay = recorded(model, MODEL_B);
});
afterAll(async () => {
  await model.close();
  rmSync(dir, { recursive: true, force: true });
});

describe('a schedule as text', () => {
  it('comes back as it was', () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 0, max: 3 }), { maxLength: 60 }), (numbers) => {
        expect(unpackRuns(packRuns(numbers), 60)).toEqual(numbers);
      }),
      { seed: SEED },
    );
  });

  it('is compact, and bounded when it is read', () => {
    expect(packRuns([0, 0, 0, 1, 0, 0])).toBe('0x3,1,0x2');
    expect(unpackRuns('0x5', 4)).toBeNull();
    for (const bad of ['x', '0x', '0x0', '1,,2', '-1', '0x3,', '1.5', ' 1', '0x9999999999'])
      expect(unpackRuns(bad, 100), bad).toBeNull();
  });
});

describe('a replay file', () => {
  const path = (): string => join(dir, 'a.replay.json');
  const text = (change: Partial<Replay> = {}): string => formatReplay({ ...replay, ...change }, path());
  const error = (content: string): string => {
    try {
      parseReplay(content, path());
    } catch (thrown) {
      expect(thrown).toBeInstanceOf(OdpError);
      expect((thrown as OdpError).code).toBe('ODP_E_REPLAY_INVALID');
      expect((thrown as OdpError).exitCode).toBe(2);
      return (thrown as OdpError).message;
    }
    throw new Error('it was accepted');
  };
  /** With its checksum put right again. */
  const resealed = (change: (content: Record<string, unknown>) => void): string => {
    const { checksum: _, ...content } = JSON.parse(text()) as Record<string, unknown>;
    change(content);
    const checksum = createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);
    return JSON.stringify({ ...content, checksum });
  };

  it('is one line, and comes back as it was', () => {
    writeReplayFile(path(), replay);
    expect(readFileSync(path(), 'utf8').trimEnd()).not.toContain('\n');
    expect(readReplayFile(path())).toEqual(replay);
    expect(
      parseReplay(
        resealed(() => {}),
        path(),
      ),
    ).toEqual(replay);
  });

  it('says what is wrong with it', () => {
    expect(error('')).toMatch(/a\.replay\.json: it is empty/);
    expect(error(text().slice(0, 300))).toContain('it is truncated');
    expect(error('<html>')).toContain('it is not JSON');
    expect(error('[1]')).toContain('it is not a JSON object');
    expect(error('{"schemaVersion":1}')).toContain('it is not a replay file');
    expect(error(text().replace('"odptortureReplay":1', '"odptortureReplay":2'))).toContain(
      'it has version 2, this odptorture reads version 1',
    );
    expect(error(text().replace('0x2,2x2', '0x2,2x3'))).toMatch(/checksum does not match: it says [0-9a-f]{16}/);
    expect(error(text().replace(/,"checksum":"\w+"/, ''))).toContain("'checksum' is missing");
  });

  it('that was sealed by somebody else is still looked through', () => {
    expect(error(resealed((c) => (c.granularity = 'page')))).toContain("'granularity'");
    expect(error(resealed((c) => (c.finding = { oracle: 'x' })))).toContain("'finding.object'");
    expect(error(resealed((c) => (c.extra = 1)))).toContain('extra');
    expect(error(resealed((c) => (c.schedule = '0x2,9')))).toContain("'schedule' names thread 9, there are only 3");
    expect(error(resealed((c) => (c.schedule = '0x2000')))).toContain("'schedule' is not a list");
    expect(error(resealed((c) => (c.steps = '0,77')))).toContain("'steps' is not a list");
    expect(error(resealed((c) => (c.steps = '0,1')))).toContain("'steps' has 2 entries, 'schedule' 33");
  });

  it('that is not there is named', () => {
    expect(() => readReplayFile(join(dir, 'none.replay.json'))).toThrow(
      /ODP_E_REPLAY_INVALID .*none\.replay\.json: .*ENOENT/,
    );
    expect(() => writeReplayFile(join(dir, 'no/such/folder'), replay)).toThrow(/ODP_E_OUTPUT/);
  });

  it('moves with its program, when both lie in one tree', () => {
    const program = (root: string): string => `${pathToFileURL(join(root, 'src/a b#.js')).href}#one`;
    const written = (root: string, spec: string): string =>
      formatReplay({ ...replay, subject: { kind: 'program', url: spec } }, join(root, 'results/1/x.replay.json'), root);
    const content = written('/here', program('/here'));
    expect(content).toContain('"url":"../../src/a%20b%23.js#one"');
    expect(parseReplay(content, '/there/results/1/x.replay.json').subject).toEqual({
      kind: 'program',
      url: program('/there'),
    });
    // Another tree: as it was given.
    expect(written('/here', program('/elsewhere'))).toContain(`"url":"${program('/elsewhere')}"`);
    const beside = formatReplay({ ...replay, subject: { kind: 'program', url: program('/x') } }, '/x/y.json', '/other');
    expect(beside).toContain('"url":"./src/a%20b%23.js#one"');
  });

  it('of a litmus stands alone: the plan is in it', async () => {
    const file = shippedScenarios(packageRoot()).find((one) => one.name === 'seed-madvise-around-register')!.file;
    const [plan] = resolveCells(loadScenario(file), { seed: 1, repeat: 1, strategies: ['private-count'] });
    const spec = { kind: 'litmus', plan: plan! } as const;
    const subject = await resolveSubject(spec);
    const host = await openHost(spec, subject, { ...OPTIONS, threads: subject.threads });
    try {
      writeReplayFile(path(), recorded({ ...host, spec }, '0x14,1x5'));
      const back = readReplayFile(path());
      expect(back.subject).toEqual(spec);
      expect(back.finding.oracle).toBe('counter-underflow');
      const again = await resolveSubject(back.subject);
      expect(replayTimes(host.engine, again, back, 1).diverged).toBe(0);
      expect(replayTimes(host.engine, subject, back, 20)).toMatchObject({ reproduced: 20, diverged: 0 });
      const { picture } = drawReplay(host.engine, subject, back);
      expect(picture.labels.length).toBeGreaterThan(5);
      // The region enters the tree between the two walks of the section: the seed thread's race.
      const racing = picture.steps.filter((step) => step.racing).map(({ op, object }) => `${op} ${object}`);
      expect(racing).toEqual(['down_write umem_rwsem', 'down_read umem_rwsem']);
    } finally {
      await host.close();
    }
  });

  it('has a name and a story', () => {
    const found = { ...replay.found, shrunkFrom: { preemptions: 13, steps: 40 } };
    expect(replayFileName({ name: 'model B', finding: { oracle: 'stale-dma', object: 'umem 3', text: '' } })).toBe(
      'model-b-stale-dma-umem-3.replay.json',
    );
    expect(describeFound({ ...replay, found })).toEqual([
      'found by random, seed 7, in schedule 41',
      '3 preemptions in 33 steps, shrunk from 13 preemptions in 40 steps',
    ]);
  });
});

describe('a replay', () => {
  it('shows its finding 100 times of 100, from the file', () => {
    const path = join(dir, 'b.replay.json');
    writeReplayFile(path, replay);
    const tally = replayTimes(model.engine, model.subject, readReplayFile(path), 100);
    expect(tally).toMatchObject({ times: 100, reproduced: 100, diverged: 0 });
    expect(tally.telling.shown!.text).toBe('a section that was counted ends with a mapping');
    expect(tally.telling.steps.map((step) => step.tid)).toEqual(tids(MODEL_B));
  });

  it('of a program with another step there names the first one: expected and found', async () => {
    const bystander = await withProgram('replay-programs#bystander', (host) => recorded(host, '0,1x2'));
    await withProgram('replay-programs#mended', ({ engine, subject }) => {
      const strict = replaySchedule(engine, subject, bystander);
      expect(strict.divergence).toEqual({ step: 0, expected: 'writer: store flag', found: 'writer: store x' });
      expect(strict.shown).toBeNull();
      expect(strict.steps).toEqual([]);
      const on = replaySchedule(engine, subject, bystander, 'continue');
      expect(on.divergence).toEqual(strict.divergence);
      expect(on.outcome).toBe(OUTCOME.complete);
      expect(on.steps.length).toBeGreaterThan(6);
      expect(on.shown).toBeNull();
    });
  });

  it('of a forced step that is not possible says what its thread waits for, and goes on when asked to', async () => {
    await withProgram('replay-programs#twoLocks', (host) => {
      const { engine, subject } = host;
      const deadlock = recorded(host, '0x2,1x2');
      expect(deadlock.finding).toMatchObject({ oracle: 'deadlock', object: 'a, b' });
      expect(replaySchedule(engine, subject, deadlock)).toMatchObject({ divergence: null, outcome: OUTCOME.deadlock });
      // Thread 1 would now take a lock that thread 0 has.
      const schedule = [...tids('0x3,1x2'), ...tids('0,1')];
      const operations = [...deadlock.operations.slice(0, 2), 'mutex_lock b', 'add x', 'mutex_lock b', 'x', 'x'];
      const forced = { ...deadlock, schedule, operations };
      const stop = replaySchedule(engine, subject, forced, 'stop');
      expect(stop.divergence).toEqual({
        step: 4,
        expected: 'T2: mutex_lock b',
        found: 'T2 cannot go on: mutex_lock b',
      });
      expect(stop.steps).toHaveLength(4);
      const on = replaySchedule(engine, subject, forced, 'continue');
      expect(on.outcome).toBe(OUTCOME.complete);
      expect(on.divergence).toEqual(stop.divergence);
    });
  });

  it('that goes on behind the recorded end differs when strict, and not when it may stop', async () => {
    const bystander = await withProgram('replay-programs#bystander', (host) => recorded(host, '0,1x2'));
    await withProgram('replay-programs#forgiving', ({ engine, subject }) => {
      // The same steps, and then those that an error had kept from happening.
      const strict = replaySchedule(engine, subject, bystander);
      expect(strict.divergence).toMatchObject({
        step: 3,
        expected: 'the end of the schedule',
        found: 'writer: store x',
      });
      const stop = replaySchedule(engine, subject, bystander, 'stop');
      expect(stop).toMatchObject({ divergence: null, shown: null, outcome: OUTCOME.complete });
    });
  });

  it('of a thread that has ended, and one whose schedule ends before the recorded one, say so', async () => {
    const longer = await withProgram('replay-programs#longer', (host) => recorded(host, '0x2,1x3,2x6'));
    expect(longer.operations).toHaveLength(11);
    await withProgram('replay-programs#forgiving', ({ engine, subject }) => {
      const { divergence } = replaySchedule(engine, subject, longer);
      expect(divergence).toEqual({ step: 4, expected: 'reader: load y', found: 'reader has ended' });
    });
    const forgiving = await withProgram('replay-programs#forgiving', (host) => recorded(host, '0,1x2'));
    await withProgram('replay-programs#bystander', ({ engine, subject }) => {
      const { divergence } = replaySchedule(engine, subject, forgiving);
      expect(divergence).toEqual({ step: 3, expected: 'writer: store x', found: 'the end (threw)' });
    });
  });

  it('of every step of a spin loop is exact, too', async () => {
    await withProgram('replay-programs#spins', (host) => {
      const spin = recorded(host, '0x10,1x2,0x4');
      const { engine, subject } = host;
      expect(replayTimes(engine, subject, spin, 20)).toMatchObject({ reproduced: 20, diverged: 0 });
    });
  });

  it('is drawn with the two steps whose order decides, which were tried', () => {
    const { picture } = drawReplay(model.engine, model.subject, replay);
    const racing = picture.steps.flatMap((step, i) => (step.racing ? [`${i + 1} ${step.op} ${step.object}`] : []));
    expect(racing).toEqual(['25 store mapping', '33 load mapping']);
    expect(picture.preemptions).toBe(3);
    expect(picture.finding).toEqual(replay.finding);
  });

  it('passes over two steps that race later, but whose order changes nothing', async () => {
    await withProgram('../programs/model-a', (host) => {
      const { picture } = drawReplay(host.engine, host.subject, recorded(host, '0x3,1x6,0x4'));
      const racing = picture.steps.flatMap((step, i) => (step.racing ? [`${i + 1} ${step.op} ${step.object}`] : []));
      expect(racing).toEqual(['5 store in_tree', '10 load in_tree']);
    });
  });

  it('of a program that is gone says which', async () => {
    await expect(resolveSubject(programSpec('no-such-program'))).rejects.toThrow(/no-such-program/);
  });
});
