import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { type OwnFolder, ownFolder } from '../cli/own-folder.ts';

const root = packageRoot();
const doc = readFileSync(join(root, 'docs/write-a-strategy.md'), 'utf8');

interface Block {
  /** The paragraph in front of it. */
  readonly before: string;
  readonly text: string;
}

/** The indented blocks of the page. */
function blocksOf(page: string): Block[] {
  const blocks: Block[] = [];
  let before = '';
  let lines: string[] = [];
  const end = (): void => {
    const text = lines.join('\n').replace(/\n+$/, '\n');
    if (text.trim() !== '') blocks.push({ before, text: text.endsWith('\n') ? text : `${text}\n` });
    lines = [];
  };
  for (const line of page.split('\n')) {
    if (line.startsWith('    ')) lines.push(line.slice(4));
    else if (line === '' && lines.length > 0) lines.push('');
    else {
      end();
      if (line !== '') before = line;
    }
  }
  end();
  return blocks;
}

/** What differs from run to run: figures, times, folders. */
const skeleton = (line: string): string =>
  line
    .replace(/\S*results\/\S+/g, 'results')
    .replace(/\d[\d.,]*(?:e-\d+)?(?:k|M|us|ms|ns|s|m)?/g, '#')
    .replace(/\s+/g, ' ')
    .trim();

const blocks = blocksOf(doc);
const files = blocks.flatMap(({ before, text }) => {
  const name = /Save this as `([^`]+)`:$/.exec(before)?.[1];
  return name === undefined ? [] : [{ name, text }];
});
const commands = blocks.filter(({ text }) => text.startsWith('$ '));
const EXIT: Readonly<Record<string, number>> = { FAILURE: 1, VIOLATED: 1, reproduced: 1 };

let own: OwnFolder;
beforeAll(() => {
  own = ownFolder();
  for (const { name, text } of files) own.write(name, text);
});
afterAll(() => own.remove());

it('has files and commands, and its files are the examples', () => {
  expect(files.map(({ name }) => name)).toEqual(['idle-birth.mjs', 'no-wait.mjs', 'born-inside.yaml']);
  for (const { name, text } of files)
    expect(text, name).toBe(readFileSync(join(root, 'examples/strategies', name), 'utf8'));
  expect(commands).toHaveLength(6);
});

// In the order of the page: the last one replays what an earlier one has found.
it.each(commands.map(({ text }) => text.split('\n')))('%s', (first, ...printed) => {
  const command = first!.slice(2);
  const { status, stdout, stderr } = spawnSync('sh', ['-c', command], { cwd: own.dir, encoding: 'utf8' });
  const all = `${stdout}\n${stderr}`;
  const code = Object.entries(EXIT).find(([word]) => printed.some((line) => line.includes(word)))?.[1] ?? 0;
  expect(status, all).toBe(code);
  let rest = stdout.split('\n').map(skeleton);
  for (const line of printed.map(skeleton).filter((one) => one !== '' && one !== '...')) {
    const at = rest.indexOf(line);
    expect(at, `'${line}' is not in, or not in this place of:\n${all}`).toBeGreaterThanOrEqual(0);
    rest = rest.slice(at + 1);
  }
});
