import { describe, expect, test } from 'vitest';
import { openHost } from '../../src/explore/control/host.ts';
import { OUTCOME } from '../../src/explore/control/sched.ts';
import { pickerId } from '../../src/explore/policies/index.ts';
import { judgeSchedule } from '../../src/explore/search/search.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';
import { OdpError } from '../../src/scenario/errors.ts';

const urlOf = (name: string): string => new URL(`./program-odd.js#${name}`, import.meta.url).href;

async function refusal(url: string): Promise<OdpError> {
  const error = await loadProgram(url).then(
    () => null,
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(OdpError);
  return error as OdpError;
}

describe('modules that are no programs', () => {
  test.each([
    ['noMemory', "'memory' is undefined"],
    ['halfWord', "'memory' is 1.5"],
    ['noThreads', "'threads' has 0 functions"],
    ['tooMany', "'threads' has 31 functions"],
    ['notFunctions', "'threads[1]' is 'step'"],
    ['asynchronous', "'threads[0]' is an async function"],
    ['generator', "'threads[0]' is an async function or a generator"],
    ['badCheck', "'check' is 'yes'"],
    ['badName', "'names.y' is 16"],
    ['absent', "no export 'absent'"],
  ])('%s', async (name, message) => {
    const { issues } = await refusal(urlOf(name));
    expect(issues).toHaveLength(1);
    expect(issues[0]!.code).toBe('ODP_E_PROGRAM_INVALID');
    expect(issues[0]!.message).toContain(message);
    expect(issues[0]!.at).toMatch(/program-odd\.js#/);
  });

  test('all that is wrong is said at once', async () => {
    expect((await refusal(urlOf('everything'))).issues).toHaveLength(4);
  });

  test('a module that is not there', async () => {
    const { code, message } = await refusal(new URL('./no-such-module.js', import.meta.url).href);
    expect(code).toBe('ODP_E_PROGRAM_INVALID');
    expect(message).toContain('cannot be loaded');
  });
});

test('words are called by the name at or before them', async () => {
  const subject = programSubject('good', { ...(await loadProgram(urlOf('good'))), memory: 40, names: { x: 0, y: 3 } });
  expect([0, 2, 3, 4, 30].map((word) => subject.nameOf(word))).toEqual(['x', 'x+2', 'y', 'y+1', 'word 30']);
});

test('what a thread throws before its first step is a finding', async () => {
  const url = urlOf('throwsAtOnce');
  const subject = programSubject('odd', await loadProgram(url));
  const options = { threads: 2, maxSteps: 100, timeouts: 0, hangMs: 5000, granularity: 'lock' } as const;
  const host = await openHost({ kind: 'program', url }, subject, options);
  for (let i = 0; i < 2; i++) {
    const outcome = host.engine.run({ prefix: [], policy: pickerId('continue'), seed: 1 });
    expect(outcome).toBe(OUTCOME.threw);
    expect(judgeSchedule(host.engine, subject, outcome)).toEqual([
      { oracle: 'assertion', object: '', text: 'at once' },
    ]);
  }
  await host.close();
});
