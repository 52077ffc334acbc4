import { describe, expect, it } from 'vitest';
import { EXIT, OdpError } from '../../src/scenario/errors.ts';
import { loadScenario, parseScenario } from '../../src/scenario/load.ts';

const LOAD = `kind: load
description: small
memory:
  pages: 16
threads:
  madvise: 1
  register: 1
`;

const LITMUS = `kind: litmus
description: small
memory: { pages: 16 }
files:
  F: { pages: 4 }
ranges:
  A: { at: 2, pages: 4 }
threads:
  T1:
    - madvise A
  T2:
    - register A
order:
  - T1 section.started
expect:
  private-count: { must: [counter-underflow] }
`;

function errorOf(run: () => unknown): OdpError {
  try {
    run();
  } catch (error) {
    if (error instanceof OdpError) return error;
    throw error;
  }
  throw new Error('nothing was refused');
}

const linesOf = (text: string): string[] => errorOf(() => parseScenario(text, 'a.yaml')).message.split('\n');

describe('mistakes in a scenario file', () => {
  it('accepts the scenarios that the tests below spoil', () => {
    expect(parseScenario(LOAD, 'a.yaml').scenario.kind).toBe('load');
    expect(parseScenario(LITMUS, 'a.yaml').scenario.kind).toBe('litmus');
  });

  it.each([
    [
      'an unknown key',
      `${LOAD}thread: 3\n`,
      "ODP_E_SCENARIO_INVALID a.yaml:8:1: unknown key 'thread'; did you mean 'threads'?",
    ],
    [
      'an unknown key in a list',
      LOAD.replace('  pages: 16', '  pages: 16\n  areas:\n    - { kind: anon, at: 0, page: 4, pages: 4 }'),
      "ODP_E_SCENARIO_INVALID a.yaml:6:28: unknown key 'page' in memory.areas[0]; did you mean 'pages'?",
    ],
    [
      'an unknown role',
      LOAD.replace('madvise: 1', 'madvice: 1'),
      "ODP_E_SCENARIO_INVALID a.yaml:6:3: unknown key 'madvice' in threads; did you mean 'madvise'?",
    ],
    [
      'a wrong type',
      LOAD.replace('16', 'many'),
      'ODP_E_SCENARIO_INVALID a.yaml:4:10: memory.pages: expected number, received string',
    ],
    [
      'a wrong type where a number or a mapping may stand',
      LOAD.replace('madvise: 1', 'madvise: yes!'),
      'ODP_E_SCENARIO_INVALID a.yaml:6:12: threads.madvise: expected number, received string, or expected object, received string',
    ],
    [
      'a number out of range',
      LOAD.replace('16', '0'),
      'ODP_E_SCENARIO_INVALID a.yaml:4:10: memory.pages: too small: expected number to be >=1',
    ],
    [
      'a missing member',
      LOAD.replace('  pages: 16', '  frames: 64'),
      'ODP_E_SCENARIO_INVALID a.yaml:4:3: memory.pages: is missing',
    ],
    [
      'a bad duration',
      `${LOAD}duration: 5\n`,
      'ODP_E_SCENARIO_INVALID a.yaml:8:11: duration: expected string, received number',
    ],
    [
      'a bad kind',
      LOAD.replace('load', 'loads'),
      `ODP_E_SCENARIO_INVALID a.yaml:1:7: kind is "loads"; it must be 'load' or 'litmus'`,
    ],
    [
      'no mapping at all',
      '- 1\n',
      'ODP_E_SCENARIO_INVALID a.yaml:1:1: a scenario is a mapping with `kind: load` or `kind: litmus`',
    ],
    ['a key written twice', `${LOAD}kind: load\n`, 'ODP_E_YAML a.yaml:8:1: map keys must be unique'],
    [
      'an unknown verb',
      LITMUS.replace('madvise A', 'madvice A'),
      "ODP_E_SCENARIO_INVALID a.yaml:10:7: no verb 'madvice'; did you mean 'madvise'?",
    ],
    [
      'an unknown range',
      LITMUS.replace('register A', 'register B'),
      "ODP_E_SCENARIO_INVALID a.yaml:12:7: no range 'B'; did you mean 'A'?",
    ],
    [
      'an unknown file',
      LITMUS.replace('register A', 'truncate Gamma 2'),
      "ODP_E_SCENARIO_INVALID a.yaml:12:7: no file 'Gamma'; known: F",
    ],
    [
      'a size beyond the file',
      LITMUS.replace('register A', 'truncate F 9'),
      "ODP_E_SCENARIO_INVALID a.yaml:12:7: 'truncate F 9': the new size must be a whole number of pages, 0 to 4",
    ],
    [
      'an unknown thread',
      LITMUS.replace('T1 section', 'T9 section'),
      "ODP_E_SCENARIO_INVALID a.yaml:14:5: no thread 'T9'; did you mean 'T1'?",
    ],
    [
      'an unknown point',
      LITMUS.replace('section.started', 'section.start'),
      "ODP_E_SCENARIO_INVALID a.yaml:14:5: no point 'section.start'; did you mean 'section.starting'?",
    ],
    [
      'an oracle in both sets',
      LITMUS.replace('must: [counter-underflow]', 'must: [leak], may: [leak]'),
      "ODP_E_SCENARIO_INVALID a.yaml:16:39: 'leak' is in both must and may",
    ],
  ])('%s: one line with its place', (_, text, line) => {
    expect(linesOf(text)).toEqual([line]);
  });

  it('names an unknown oracle and those that exist', () => {
    const [line] = linesOf(LITMUS.replace('counter-underflow', 'counter-underflows'));
    expect(line).toMatch(
      /^ODP_E_SCENARIO_INVALID a\.yaml:16:27: expect\.private-count\.must\[0\]: expected one of "stale-dma"/,
    );
  });

  it('reports YAML that cannot be parsed with its place', () => {
    expect(linesOf('kind: [load\n')[0]).toMatch(/^ODP_E_YAML a\.yaml:\d+:\d+: /);
  });

  it('reports all mistakes at once, in the order of the file', () => {
    const lines = linesOf(`${LOAD.replace('16', '-1')}evidence: { zap: 3 }\nthresholds: ['faults<3']\n`);
    expect(lines.map((line) => line.split(' ')[1])).toEqual(['a.yaml:4:10:', 'a.yaml:8:13:', 'a.yaml:9:14:']);
  });

  it('never spreads one mistake over two lines', () => {
    const error = new OdpError({ code: 'ODP_E_YAML', message: 'one\n  two', at: 'x' });
    expect(error.message).toBe('ODP_E_YAML x: one two');
  });

  it('refuses a document whose aliases unfold without bound', () => {
    const bomb = [
      'a: &a [x,x,x,x,x,x,x,x,x]',
      ...'bcdefg'.split('').map((c, i) => `${c}: &${c} [${`*${'abcdefg'[i]},`.repeat(9)}]`),
    ];
    expect(errorOf(() => parseScenario(`${bomb.join('\n')}\n`, 'a.yaml')).code).toBe('ODP_E_YAML');
  });

  it('reports a file that cannot be read', () => {
    const error = errorOf(() => loadScenario('/no/such/scenario.yaml'));
    expect(error.message).toBe('ODP_E_SCENARIO_UNREADABLE /no/such/scenario.yaml: cannot read the scenario: ENOENT');
    expect(error.exitCode).toBe(EXIT.usage);
  });
});
