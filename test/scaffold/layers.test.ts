// biome-ignore-all lint/suspicious/noTemplateCurlyInString: the strings are sources.
import { afterEach, describe, expect, test } from 'vitest';
import { makeTree, type Outcome, removeTree, runScript, scriptPath } from './trees.ts';

const roots: string[] = [];
afterEach(() => {
  for (const root of roots.splice(0)) removeTree(root);
});

const CLEAN = {
  'src/memory/a.ts': 'export const a = 1;\n',
  'src/sync/atomics.ts': "import { a } from '../memory/a.ts';\nexport const load = () => Atomics.load(x, a);\n",
  'src/sync/lock.ts': "import { load } from './atomics.ts';\nexport const lock = load;\n",
  'src/mm/fault.ts': "import type { a } from '../memory/a.ts';\nexport { lock } from '../sync/lock.ts';\n",
  'src/world/build.ts': "import { cpus } from 'node:os';\nimport yaml from 'yaml';\nexport const w = [cpus, yaml];\n",
  'src/torture/urls.ts':
    'export const moduleUrl = (n: string) => n;\nexport const go = () => import(moduleUrl("x"));\n',
  'src/cli/main.ts':
    "import { moduleUrl } from '../torture/urls.ts';\nawait import('../world/build.ts');\nawait import(moduleUrl('x'));\n",
  'src/index.ts': "export * from './cli/main.ts';\nexport { a } from './memory/a.ts';\n",
  'workers/dma.ts': "import { lock } from '../src/sync/lock.ts';\nexport default lock;\n",
  'test/any.test.ts': "import dma from '../workers/dma.ts';\nexport default dma;\n",
};

const check = (files: Readonly<Record<string, string>>): Outcome => {
  const root = makeTree(files);
  roots.push(root);
  return runScript(scriptPath('check-layers.mjs'), [root]);
};

/** Adds files to the clean tree; the lines that it prints. */
const problems = (files: Readonly<Record<string, string>>): string[] => {
  const { code, stdout } = check({ ...CLEAN, ...files });
  expect(code, stdout).toBe(1);
  return stdout.trimEnd().split('\n');
};

/** Adds files to the clean tree, which must still be clean. */
const expectClean = (files: Readonly<Record<string, string>>): void => {
  const { code, stdout, stderr } = check({ ...CLEAN, ...files });
  expect(stdout + stderr).toMatch(/^layers: \d+ files, \d+ imports, ok\n$/);
  expect(code).toBe(0);
};

test('a clean tree passes and is counted', () => {
  const { code, stdout, stderr } = check(CLEAN);
  expect({ code, stdout, stderr }).toEqual({ code: 0, stdout: 'layers: 9 files, 13 imports, ok\n', stderr: '' });
});

test('the tree of this project passes', () => {
  const { code, stdout } = runScript(scriptPath('check-layers.mjs'), []);
  expect(stdout).toMatch(/^layers: \d+ files, \d+ imports, ok\n$/);
  expect(code).toBe(0);
});

test('a tree without sources is an error', () => {
  const { code, stderr } = check({ 'README.md': '' });
  expect(code).toBe(1);
  expect(stderr).toMatch(/^layers: no sources under /);
});

describe('imports go down only', () => {
  test.each([
    ['import', "import { x } from '../mm/fault.ts';"],
    ['type import', "import type { X } from '../mm/fault.ts';"],
    ['re-export', "export { x } from '../mm/fault.ts';"],
    ['type re-export', "export type { X } from '../mm/fault.ts';"],
    ['star', "export * from '../mm/fault.ts';"],
    ['named star', "export * as fault from '../mm/fault.ts';"],
    ['name space', "import * as fault from '../mm/fault.ts';"],
    ['effect', "import '../mm/fault.ts';"],
    ['default and named', "import d, { x as y, type Z } from '../mm/fault.ts';"],
    ['name in quotes', "import { 'a-b' as c } from '../mm/fault.ts';"],
    ['dynamic', "const x = await import('../mm/fault.ts');"],
    ['dynamic in a template', 'const x = await import(`../mm/fault.ts`);'],
    ['type query', "type X = import('../mm/fault.ts').X;"],
    ['in a template', "const x = `a ${await import('../mm/fault.ts')} b`;"],
    ['by a detour', "import { x } from '../odp/../mm/fault.ts';"],
    ['after a division', "const r = a++ / 2 + b! / 3; import { x } from '../mm/fault.ts';"],
  ])('%s', (_, line) => {
    expect(problems({ 'src/sync/bad.ts': `// one\n/* two\n */\n${line}\n` })).toEqual([
      'src/sync/bad.ts:4: imports src/mm/fault.ts; sync may import only what stands before it in the layers, mm stands after it',
    ]);
  });

  test('a statement of many lines is found at its first', () => {
    const text = "export const one = 1;\n\nimport {\n  x, // from './y.ts'\n  type Y,\n} from\n  '../cli/main.ts';\n";
    expect(problems({ 'src/world/bad.ts': text })).toEqual([expect.stringMatching(/^src\/world\/bad\.ts:3: /)]);
  });

  test('each neighbour in the list, both ways', () => {
    const layers =
      'memory sync trace mm hca odp strategies oracles variants scenario world results torture explore report soak inspect query cli';
    const names = layers.split(' ');
    for (const [i, upper] of names.slice(1).entries()) {
      const lower = names[i];
      expectClean({ [`src/${upper}/n.ts`]: `import '../${lower}/n.ts';\n`, [`src/${lower}/n.ts`]: '' });
      const message = `src/${lower}/n.ts:1: imports src/${upper}/n.ts; ${lower} may import`;
      expect(problems({ [`src/${lower}/n.ts`]: `import '../${upper}/n.ts';\n` })).toEqual([
        expect.stringContaining(message),
      ]);
    }
  });

  test('nothing imports src/index.ts, a folder that is no layer, or what is outside of src/', () => {
    expect(
      problems({
        'src/cli/bad.ts':
          "import '../index.ts';\nimport '../util/x.ts';\nimport '../../test/x.ts';\nimport 'odptorture';\n",
        'src/util/x.ts': "import '../cli/main.ts';\n",
      }),
    ).toEqual([
      'src/cli/bad.ts:1: imports src/index.ts; cli may import only what stands before it in the layers, index.ts stands after it',
      'src/cli/bad.ts:2: imports src/util/x.ts, which belongs to no layer',
      'src/cli/bad.ts:3: imports test/x.ts, which is outside of src/',
      "src/cli/bad.ts:4: imports 'odptorture', a way around the layers; name the file",
      'src/util/x.ts:1: util is no layer; add it to the list in scripts/check-layers.mjs',
    ]);
  });

  test('nothing imports workers/', () => {
    const found = problems({
      'src/torture/bad.ts': "import '../../workers/dma.ts';\n",
      'workers/touch.ts': "\nimport './dma.ts';\n",
      'bench/main.ts': "import '../workers/dma.ts';\n",
    });
    expect(found).toEqual([
      'bench/main.ts:1: imports workers/dma.ts; nothing imports workers/',
      'src/torture/bad.ts:1: imports workers/dma.ts; nothing imports workers/',
      'workers/touch.ts:2: imports workers/dma.ts; nothing imports workers/',
    ]);
  });
});

describe('the model', () => {
  test.each([
    'memory',
    'sync',
    'trace',
    'mm',
    'hca',
    'odp',
    'strategies',
    'variants',
    'oracles',
  ])('%s/ has no Node imports, no packages and no Atomics', (layer) => {
    const text = "import 'node:fs';\nimport type { Z } from 'zod';\nawait import('os');\n\nAtomics.add(m, 0, 1);\n";
    expect(problems({ [`src/${layer}/bad.ts`]: text })).toEqual([
      `src/${layer}/bad.ts:1: imports 'node:fs'; ${layer}/ is part of the model, which has no Node imports and no packages`,
      expect.stringContaining(`src/${layer}/bad.ts:2: imports 'zod'`),
      expect.stringContaining(`src/${layer}/bad.ts:3: imports 'os'`),
      `src/${layer}/bad.ts:5: uses Atomics; only src/sync/atomics.ts does within the model`,
    ]);
  });

  test('Atomics by another name is still Atomics', () => {
    const text =
      'const A = Atomics;\nglobalThis.Atomics.load(m, 0);\nconst all = { ...Atomics };\nconst s = `${Atomics}`;\n';
    const found = problems({ 'src/odp/bad.ts': text });
    expect(found.map((line) => line.split(': ')[0])).toEqual([1, 2, 3, 4].map((n) => `src/odp/bad.ts:${n}`));
  });

  test('a word in a comment, a string or a pattern is none', () => {
    const lines = [
      '// Atomics.load(x); import { y } from "../cli/main.ts"',
      "/* import 'node:fs' */",
      'const a = "Atomics.load"; const b = \'import("x")\';',
      "const c = `Atomics.load export default import '../cli/main.ts' \\` \\${`;",
      "const d = /[/'\"]Atomics/; const e = 1 / 2; const f = x.Atomics; const g = `${`${{ a: '}' }}`}`;",
      "/** import '../cli/main.ts' */ export const h = { import: 1, default: 2 };",
      'const i = import.meta.url;',
    ];
    expectClean({ 'src/mm/words.ts': `${lines.join('\n')}\n` });
  });

  test('Atomics outside of the model is free', () => {
    expectClean({
      'src/torture/barrier.ts': 'Atomics.wait(m, 0, 0);\n',
      'workers/touch.ts': 'Atomics.notify(m, 0);\n',
    });
  });
});

test('only named exports', () => {
  const lines = [
    'export default function f() {}',
    'const a = 1;',
    'export { a as default };',
    "export { default } from './x.ts';",
    "export * as default from './x.ts';",
    "export { default as x } from './x.ts';",
  ];
  const found = problems({ 'src/cli/bad.ts': `${lines.join('\n')}\n` });
  expect(found).toEqual([1, 3, 4, 5].map((n) => `src/cli/bad.ts:${n}: default export; only named exports here`));
});

describe('computed imports', () => {
  const message = /import\(\) of a computed name/;
  test.each([
    ['a variable', 'await import(url);\n'],
    ['a sum', "await import('../mm/' + name);\n"],
    ['a template', 'await import(`../mm/${name}.ts`);\n'],
    ['a helper from elsewhere', "import { help } from '../world/build.ts';\nawait import(help('x'));\n"],
    ['a helper of its own', 'const help = (x: string) => x;\nawait import(help("x"));\n'],
  ])('%s is refused', (_, text) => {
    const line = text.split('\n').findIndex((l) => l.startsWith('await')) + 1;
    const found = problems({ 'src/cli/bad.ts': text });
    expect(found).toEqual([expect.stringMatching(message)]);
    expect(found[0]).toMatch(new RegExp(`^src/cli/bad\\.ts:${line}: `));
  });

  test('a helper of torture/ is accepted, under any name', () => {
    const text = "import { moduleUrl as url } from '../src/torture/urls.ts';\nawait import(url('dma'));\n";
    expectClean({ 'workers/touch.ts': text });
  });
});
