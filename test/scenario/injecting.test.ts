import { describe, expect, it } from 'vitest';
import { parseInject } from '../../src/scenario/inject.ts';
import { parseScenario } from '../../src/scenario/load.ts';
import { type ResolveOptions, resolveCells } from '../../src/scenario/resolve.ts';
import { scenarioJsonSchema } from '../../src/scenario/schema.ts';

const LOAD = `kind: load
description: small
memory: { pages: 16 }
threads: { madvise: 2, register: 1 }
`;
const LITMUS = `kind: litmus
description: small
memory: { pages: 16 }
ranges: { A: { at: 2, pages: 4 } }
threads: { T1: [madvise A], T2: [register A] }
`;
const OFF = { probability: 0, interval: 1, times: -1, space: 0, failNth: 0, taskFilter: [] };

const plan = (text: string, options: ResolveOptions = {}) =>
  resolveCells(parseScenario(text, 'a.yaml'), { strategies: ['context-count'], ...options })[0]!;
const refused = (text: string, options: ResolveOptions = {}): string => {
  try {
    plan(text, options);
  } catch (error) {
    return (error as Error).message;
  }
  throw new Error('nothing was refused');
};
const parsed = (text: string) => {
  const found = parseInject(text);
  if (typeof found === 'string') throw new Error(found);
  return found;
};

describe('inject: in a scenario', () => {
  it('comes to the plan with all that was left out', () => {
    const text = `${LOAD}inject:\n  fail_page_alloc: { probability: 0.5, interval: 7, times: 100 }\n  failslab: { fail-nth: 3, space: 2, task-filter: [register, madvise-1] }\n`;
    expect(plan(text).inject).toEqual({
      fail_page_alloc: { ...OFF, probability: 0.5, interval: 7, times: 100 },
      failslab: { ...OFF, failNth: 3, space: 2, taskFilter: ['register', 'madvise-1'] },
    });
    expect(plan(LOAD)).not.toHaveProperty('inject');
    expect(plan(`${LITMUS}inject: { failslab: { fail-nth: 1, task-filter: [T2] } }\n`).inject).toEqual({
      failslab: { ...OFF, failNth: 1, taskFilter: ['T2'] },
    });
  });

  it.each([
    [
      'inject: { fail_page_aloc: { probability: 5 } }',
      "ODP_E_SCENARIO_INVALID a.yaml:5:11: unknown key 'fail_page_aloc' in inject; did you mean 'fail_page_alloc'?",
    ],
    [
      'inject: { failslab: { probabilty: 5 } }',
      "ODP_E_SCENARIO_INVALID a.yaml:5:23: unknown key 'probabilty' in inject.failslab; did you mean 'probability'?",
    ],
    [
      'inject: { failslab: { probability: 101 } }',
      'ODP_E_SCENARIO_INVALID a.yaml:5:36: inject.failslab.probability: too big: expected number to be <=100',
    ],
    [
      'inject: { failslab: { probability: 5, times: -2 } }',
      'ODP_E_SCENARIO_INVALID a.yaml:5:46: inject.failslab.times: too small: expected number to be >=-1',
    ],
    [
      'inject: { failslab: { interval: 2 } }',
      'ODP_E_INJECT a.yaml:5:21: failslab: it would never fail: it needs a probability or fail-nth',
    ],
    [
      'inject: { failslab: { fail-nth: 2, task-filter: [regster] } }',
      "ODP_E_INJECT a.yaml:5:49: failslab: no thread or role 'regster'; did you mean 'register'?",
    ],
  ])('%s', (line, message) => {
    expect(refused(`${LOAD}${line}\n`)).toBe(message);
  });

  it('gives way to a flag, one capability at a time', () => {
    const text = `${LOAD}inject: { failslab: { probability: 1, times: 9 }, fail_pool: { probability: 2 } }\n`;
    expect(plan(text, { inject: parsed('failslab:probability=50') }).inject).toEqual({
      failslab: { ...OFF, probability: 50 },
      fail_pool: { ...OFF, probability: 2 },
    });
    expect(plan(text, { inject: parsed('failslab:probability=0;fail_pool:probability=0') })).not.toHaveProperty(
      'inject',
    );
    // What a flag says has no place in the file.
    expect(refused(text, { inject: parsed('failslab:fail-nth=1,task-filter=dma') })).toMatch(
      /^ODP_E_INJECT: failslab: no thread or role 'dma'; /,
    );
  });
});

describe('--inject', () => {
  it('takes the attributes by the names of the kernel', () => {
    expect(parsed('fail_page_alloc:probability=5,interval=7,times=100')).toEqual({
      fail_page_alloc: { ...OFF, probability: 5, interval: 7, times: 100 },
    });
    expect(parsed(' failslab: fail-nth=3, task-filter=register|madvise ; fail_pool:space=2,probability=0.1 ')).toEqual({
      failslab: { ...OFF, failNth: 3, taskFilter: ['register', 'madvise'] },
      fail_pool: { ...OFF, probability: 0.1, space: 2 },
    });
  });

  it.each([
    ['failslap:probability=5', "no capability 'failslap'; did you mean 'failslab'?"],
    ['failslab:probabilty=5', "failslab: no attribute 'probabilty'; did you mean 'probability'?"],
    ['failslab:probability', "failslab: expected attribute=value, found 'probability'"],
    ['failslab:probability=', "failslab: expected attribute=value, found 'probability='"],
    ['failslab:probability=much', /^failslab: probability: expected number, received NaN/],
    ['failslab:interval=0', /^failslab: interval: Too small/],
    ['failslab', /^'failslab' is not of the form 'capability:attribute=value/],
    ['', /^expected 'capability:/],
  ])('%s', (text, message) => {
    expect(parseInject(text)).toEqual(typeof message === 'string' ? message : expect.stringMatching(message));
  });
});

describe('kill: and stall: in a scenario', () => {
  it('name the threads that end, in their order', () => {
    const kill = 'kill: [{ role: madvise, after: 5 }, { role: register, after: 0 }, { role: madvise, after: 7 }]\n';
    expect(plan(LOAD + kill).kill).toEqual([
      { tid: 0, after: 5 },
      { tid: 2, after: 0 },
      { tid: 1, after: 7 },
    ]);
    expect(refused(`${LOAD}kill: [{ role: register, after: 5 }, { role: register, after: 5 }]\n`)).toBe(
      'ODP_E_THREADS a.yaml:5:38: kill: there is no 2. thread of role register, only 1',
    );
    expect(refused(`${LOAD}kill: [{ role: regster, after: 5 }]\n`)).toMatch(
      /^ODP_E_SCENARIO_INVALID a.yaml:5:16: kill/,
    );
    expect(refused(`${LITMUS}kill: []\n`)).toMatch(/unknown key 'kill'/);
  });

  it('say where threads stop, and for how long', () => {
    const text = `${LOAD}stall: { probability: 0.5, ms: 300, points: [section.started] }\n`;
    expect(plan(text).stall).toEqual({ probability: 0.5, ms: 300, points: ['section.started'] });
    expect(plan(`${LOAD}stall: { probability: 0.5, ms: 300 }\n`).stall?.points).toEqual([]);
    expect(plan(LOAD)).not.toHaveProperty('stall');
    expect(refused(`${LOAD}stall: { probability: 0.5 }\n`)).toBe(
      'ODP_E_SCENARIO_INVALID a.yaml:5:8: stall.ms: is missing',
    );
    expect(refused(`${LOAD}stall: { probability: 0.5, ms: 1, points: [section.begun] }\n`)).toMatch(
      /^ODP_E_SCENARIO_INVALID a.yaml:5:44: stall.points\[0\]/,
    );
  });

  it('stand in the JSON Schema that editors use', () => {
    const text = JSON.stringify(scenarioJsonSchema());
    for (const word of ['fail_page_alloc', 'fail-nth', 'task-filter', '"kill"', '"stall"'])
      expect(text).toContain(word);
  });
});
