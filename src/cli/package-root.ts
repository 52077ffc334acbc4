import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { OdpError } from '../scenario/errors.ts';
import { didYouMean } from '../scenario/suggest.ts';

/** Folder of the package: the nearest one above this file with our package.json. The command may be run from anywhere. */
export function packageRoot(from: string = dirname(fileURLToPath(import.meta.url))): string {
  for (let dir = from; ; dir = dirname(dir)) {
    const file = join(dir, 'package.json');
    if (existsSync(file) && (JSON.parse(readFileSync(file, 'utf8')) as { name?: string }).name === 'odptorture')
      return dir;
    if (dirname(dir) === dir)
      throw new OdpError({ code: 'ODP_E_INTERNAL', message: 'the package folder was not found', at: from });
  }
}

export const packageVersion = (root: string): string =>
  (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version;

/** Commit of a checkout, read from .git without running git; null in an installed package. */
export function commitOf(root: string): string | null {
  try {
    const git = join(root, '.git');
    const head = readFileSync(join(git, 'HEAD'), 'utf8').trim();
    if (!head.startsWith('ref: ')) return head;
    const ref = head.slice(5);
    if (existsSync(join(git, ref))) return readFileSync(join(git, ref), 'utf8').trim();
    const packed = readFileSync(join(git, 'packed-refs'), 'utf8').split('\n');
    return packed.find((line) => line.endsWith(` ${ref}`))?.split(' ')[0] ?? null;
  } catch {
    return null;
  }
}

export interface ShippedScenario {
  readonly name: string;
  readonly file: string;
  readonly litmus: boolean;
}

/** Scenarios that come with the package: load mixes first, then litmus tests, by name. */
export function shippedScenarios(root: string): ShippedScenario[] {
  const inFolder = (folder: string, litmus: boolean): ShippedScenario[] =>
    existsSync(folder)
      ? readdirSync(folder)
          .filter((file) => /\.ya?ml$/.test(file))
          .sort()
          .map((file) => ({ name: file.replace(/\.ya?ml$/, ''), file: join(folder, file), litmus }))
      : [];
  const scenarios = join(root, 'scenarios');
  return [...inFolder(scenarios, false), ...inFolder(join(scenarios, 'litmus'), true)];
}

/** The file of a scenario given by name or by path. What looks like a path is one, though it may not exist. */
export function findScenario(root: string, cwd: string, given: string): string {
  const known = shippedScenarios(root);
  const shipped = known.find(
    (scenario) => scenario.name === given || (scenario.litmus && `litmus/${scenario.name}` === given),
  );
  if (shipped !== undefined) return shipped.file;
  const path = resolve(cwd, given);
  if (/\.ya?ml$/.test(given) || /[\\/]/.test(given) || (existsSync(path) && statSync(path).isFile())) return path;
  const hint = didYouMean(
    given,
    known.map((scenario) => scenario.name),
  );
  throw new OdpError({ code: 'ODP_E_SCENARIO_UNKNOWN', message: `no scenario '${given}'${hint}` });
}
