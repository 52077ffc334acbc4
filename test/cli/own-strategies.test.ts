import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { type Summary, validateSummary } from '../../src/results/summary.ts';
import { type OwnFolder, ownFolder } from './own-folder.ts';
import { type Finished, MAIN, spawned } from './spawned.ts';

let own: OwnFolder;
beforeAll(() => {
  own = ownFolder();
  const examples = join(packageRoot(), 'examples/strategies');
  for (const name of ['idle-birth.mjs', 'no-wait.mjs', 'born-inside.yaml'])
    own.write(name, readFileSync(join(examples, name), 'utf8'));
});
afterAll(() => own.remove());

const odptorture = (...args: string[]): Promise<Finished> => spawned(MAIN, args, { cwd: own.dir });
/** A file that changes the correct design. */
const variant = (name: string, members: string): void =>
  own.write(
    `${name}.mjs`,
    `import base from './idle-birth.mjs';\nexport default { ...base, name: '${name}', ${members} };\n`,
  );
const bad = (text: string): string => `import base from './idle-birth.mjs';\n${text}\n`;

const MISTAKES: readonly (readonly [what: string, file: string, text: string, says: readonly string[]])[] = [
  [
    'syntax',
    'syntax.mjs',
    'const a = 1;\nconst b = ;\n',
    [":2:11: it cannot be loaded: SyntaxError: Unexpected token ';'"],
  ],
  ['a throw while it loads', 'top.mjs', '\nnull.f();\n', [':2:6: it cannot be loaded: TypeError: ']],
  ['an import of nothing', 'import.mjs', "import './nowhere.mjs';", ["it cannot be loaded: Cannot find module '"]],
  ['no export', 'none.mjs', 'export const a = 1;', ["neither a default export nor one named 'strategy'; it exports a"]],
  [
    'misspelt',
    'misspelt.mjs',
    bad('const { faultWait, ...rest } = base; export default { ...rest, faultWiat: faultWait, keepOut: true };'),
    [
      "hook 'faultWait' is missing; did you mean it by 'faultWiat'?",
      "'keepOut' is no member of a strategy; did you mean 'keepsOut'?",
    ],
  ],
  [
    'wrong kinds',
    'kinds.mjs',
    bad("export default { ...base, insert: 5, rangeStart: async () => 0, pins: 'no' };"),
    [
      "hook 'insert' is 5; it must be a function",
      "hook 'rangeStart' is an async function",
      "'pins' is 'no'; it must be true or false",
    ],
  ],
  [
    'a taken name',
    'taken.mjs',
    bad("export const strategy = { ...base, name: 'pinned' };"),
    ["'pinned' is that of a built-in strategy"],
  ],
  [
    'bad words, params and fields',
    'values.mjs',
    bad(
      'export default { ...base, words: { umems: 3, umem: 1 }, fields: { umem: base.fields.umem }, params: { size: { default: 9, min: 1, max: 4 } } };',
    ),
    [
      "parameter 'size': its default 9 is outside 1..4",
      "words: no such place 'umems'",
      "fields: 'umem' has 2 words, but 'words.umem' is 1",
    ],
  ],
  [
    'bad answers',
    'answers.mjs',
    bad(
      "export default { ...base, registerLocks: () => 'reed', expected: () => ({ must: ['stale-dmaa'], may: [], reason: '' }) };",
    ),
    [
      "hook 'registerLocks' returned 'reed'",
      "names an oracle 'stale-dmaa' that does not exist; did you mean 'stale-dma'?",
    ],
  ],
];

describe('a file that is no strategy', () => {
  it('is told all that is wrong with it, and where', async () => {
    const lists = MISTAKES.map(async ([what, file, text, says]) => {
      own.write(file, text);
      const { code, stdout, stderr } = await odptorture('list', `./${file}`);
      const lines = stderr.trimEnd().split('\n');
      expect({ code, stdout }, what).toEqual({ code: 2, stdout: '' });
      expect(lines, what).toHaveLength(says.length);
      for (const line of lines) expect(line, what).toMatch(/^ODP_E_STRATEGY_FILE \S+/);
      for (const part of says) expect(stderr, what).toContain(part);
    });
    await Promise.all(lists);
  });

  it('is not there, has the name of another, or is over another copy of the package', async () => {
    variant('again', "name: 'idle-birth'");
    own.write(
      'other/package.json',
      '{ "name": "odptorture", "type": "module", "exports": { "./strategy": "./strategy.js" } }',
    );
    own.write('other/strategy.js', 'export const OUTCOME = {};');
    own.write('other/mine.mjs', "import { OUTCOME } from 'odptorture/strategy';\nexport default { OUTCOME };\n");
    const [missing, twice, other] = await Promise.all([
      odptorture('matrix', '--strategy', './nowhere.mjs'),
      odptorture('run', 'seed', '--strategy', './idle-birth.mjs,./again.mjs'),
      odptorture('list', 'other/mine.mjs'),
    ]);
    expect(missing.stderr).toBe('ODP_E_STRATEGY_FILE ./nowhere.mjs: there is no such file\n');
    expect(twice.stderr).toContain("ODP_E_STRATEGY_FILE ./again.mjs: its name 'idle-birth' is that of ");
    expect(other.stderr).toContain("mine.mjs: its 'odptorture' is another copy, ");
    expect([missing.code, twice.code, other.code]).toEqual([2, 2, 2]);
  });
});

it('written in TypeScript it is checked by its type, and loads when built', async () => {
  const { code, stdout, stderr } = await odptorture(
    'list',
    fileURLToPath(new URL('./own-typed.js', import.meta.url)),
    '--json',
  );
  expect(code, stderr).toBe(0);
  expect(JSON.parse(stdout).strategies[0]).toMatchObject({ name: 'typed', params: { extra: { default: 1 } } });
});

describe.concurrent('a run', () => {
  it('ends a cell whose hook throws or answers wrongly, and goes on', async () => {
    variant('throws', '\nrangeEnd(actor, ctx) {\n ctx.nothing.at(0);\n}');
    variant('answers', 'rangeStart() {}');
    variant('unready', "init() { throw new Error('not today'); }");
    const files = './throws.mjs,./answers.mjs,./unready.mjs,./idle-birth.mjs';
    const { code, stdout } = await odptorture(
      'run',
      'born-inside.yaml',
      '--strategy',
      files,
      '--seed',
      '1',
      '-o',
      'out',
    );
    expect(code, stdout).toBe(6);
    const summary: Summary = validateSummary(JSON.parse(readFileSync(join(own.dir, 'out/summary.json'), 'utf8')));
    const path = (name: string): string => join(own.dir, `${name}.mjs`);
    expect(summary.cells.map(({ strategyFile }) => strategyFile)).toEqual(
      ['throws', 'answers', 'unready', 'idle-birth'].map(path),
    );
    const [throws, answers, unready, correct] = summary.cells;
    const place = `ODP_E_STRATEGY_HOOK ${path('throws')}:4:14: strategy 'throws', hook 'rangeEnd': TypeError: `;
    expect(throws!.fault).toMatchObject({ kind: 'thread-threw', message: expect.stringContaining(place) });
    expect(answers!.fault!.message).toContain(
      "hook 'rangeStart': TypeError: it returned undefined; it must return OUTCOME.ok",
    );
    expect(unready!.fault!.message).toContain("hook 'init': not today");
    expect(correct).toMatchObject({ verdict: 'SUCCESS', expected: { none: true } });
    expect(correct!.fault).toBeUndefined();
    expect(stdout).toMatch(/idle-birth +SUCCESS +no expectation/);
    const run = JSON.parse(readFileSync(join(own.dir, 'out/run.json'), 'utf8'));
    expect(run.cells[3].strategyFile).toMatchObject({ url: expect.stringMatching(/^file:.*\/idle-birth\.mjs$/) });
  });

  it('a stated expectation is kept to, and parameters arrive', async () => {
    variant(
      'tuned',
      `params: { extra: { default: 1, min: 0, max: 9 } },
       rangeEnd(actor, ctx, ...rest) { if (ctx.params.extra === 7) throw new Error('seven'); return base.rangeEnd(actor, ctx, ...rest); },
       expected: (era, traits, params) => ({ must: [], may: ['leak'], reason: era + ' extra ' + params.extra })`,
    );
    const run = (...more: string[]) =>
      odptorture('matrix', 'born-inside.yaml', '--strategy', './tuned.mjs', '--json', ...more);
    const [fine, seven] = await Promise.all([
      run('--param', 'extra=3', '-o', 'p3'),
      run('--param', 'extra=7', '-o', 'p7'),
    ]);
    const cell = (one: Finished) => validateSummary(JSON.parse(one.stdout)).cells[0]!;
    expect(fine.code, fine.stderr).toBe(0);
    expect(cell(fine)).toMatchObject({ asExpected: true, expected: { may: ['leak'], reason: 'v5.5 extra 3' } });
    expect([seven.code, cell(seven).fault?.message]).toEqual([6, expect.stringContaining("hook 'rangeEnd': seven")]);
  });
});

// Each has files of its own: they wait for processes more than they work.
describe.concurrent('explore', () => {
  const explore = (file: string, ...more: string[]) =>
    odptorture('explore', 'born-inside.yaml', '--strategy', file, '--seed', '1', '--no-progress', '-j', '1', ...more);

  it('sees the steps of the file, keeps its path, replays it elsewhere and after a change', async () => {
    const broken = readFileSync(join(own.dir, 'no-wait.mjs'), 'utf8');
    own.write('mended.mjs', broken);
    const { code, stdout } = await explore('./mended.mjs', '-o', 'explored');
    expect(code).toBe(1);
    expect(stdout).toContain('add idle_birth running: 0 -> 1');
    const kept = 'explored/violations/1/schedule.replay.json';
    const { subject } = JSON.parse(readFileSync(join(own.dir, kept), 'utf8'));
    expect(subject.plan.strategyFile.url).toBe('../../../mended.mjs');
    const replayed = await spawned(MAIN, ['replay', join(own.dir, kept)], { cwd: '/' });
    expect([replayed.code, replayed.stderr]).toEqual([1, '']);
    // Mended: its registration waits, as that of the correct design.
    own.write('mended.mjs', broken.replace(', insert: insertUnderRwsem', ''));
    const mended = await odptorture('replay', kept);
    expect(mended.stderr).toContain('mended.mjs has changed since the schedule was recorded');
    expect(mended.code, mended.stdout).toBe(4);
  });

  it('finds a hook that throws, and refuses what no schedule repeats', async () => {
    variant('late', "\nrangeEnd(...all) {\n base.rangeEnd(...all);\n throw new Error('late');\n}");
    variant('random', 'insert(...all) { Math.random(); base.insert(...all); }');
    variant('raw', 'rangeStart(actor, ctx) { Atomics.add(actor.mem, ctx.ext, 1); return 0; }');
    const late = await explore('./late.mjs', '-o', 'late');
    expect([late.code, late.stdout]).toEqual([
      1,
      expect.stringMatching(/assertion: ODP_E_STRATEGY_HOOK \S+late\.mjs:5:8: .*'rangeEnd': late/),
    ]);
    const random = await explore('./random.mjs', '-o', 'random');
    expect([random.code, random.stderr]).toEqual([
      2,
      expect.stringMatching(/^ODP_E_PROGRAM_NONDETERMINISTIC \S+random\.mjs:2:\d+: Math/m),
    ]);
    const raw = await explore('./raw.mjs', '-o', 'raw');
    expect([raw.code, raw.stderr]).toEqual([
      2,
      expect.stringMatching(/^ODP_E_PROGRAM_UNSEEN_ATOMICS \S+raw\.mjs:2:\d+: /m),
    ]);
  });

  it('goes on where it stopped, unless the file has changed', async () => {
    variant('resumed', '');
    const first = [
      'explore',
      'clamp-stolen-decrement',
      '--strategy',
      './resumed.mjs',
      '--schedules',
      '300',
      '-j',
      '1',
      '-o',
      'half',
    ];
    const stopped = await odptorture(...first, '--seed', '1', '-q');
    expect(stopped.code, stopped.stderr).toBe(0);
    const resume = (n: string) => odptorture('explore', '--resume', 'half', '--schedules', n, '-q', '-j', '1');
    const on = await resume('600');
    expect(on.code, on.stderr).toBe(0);
    const design = readFileSync(join(own.dir, 'resumed.mjs'), 'utf8');
    own.write('resumed.mjs', `${design}// changed\n`);
    const refused = await resume('900');
    expect([refused.code, refused.stderr]).toEqual([2, expect.stringContaining('ODP_E_RESUME')]);
    expect(refused.stderr).toContain('has changed since');
  });

  it('--from: from a violation of a free run to its schedule', async () => {
    const run = await odptorture('run', 'born-inside.yaml', '--strategy', './no-wait.mjs', '--seed', '1', '-o', 'free');
    expect(run.code).toBe(1);
    const from = await odptorture(
      'explore',
      '--from',
      'free/violations/1',
      '-d',
      '10s',
      '--seed',
      '1',
      '--no-progress',
    );
    expect(from.code, from.stderr).toBe(1);
    expect(from.stdout).toContain(
      'explore it: odptorture explore free/violations/1/explained/litmus.yaml --strategy ./no-wait.mjs',
    );
  });
});
