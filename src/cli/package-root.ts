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

/** Folders of scenarios/ whose files are found by name: load mixes, litmus tests, and the claims of the mail thread. */
const FOLDERS = ['', 'litmus', 'thread'] as const;

export interface ShippedScenario {
  readonly name: string;
  readonly file: string;
  readonly folder: (typeof FOLDERS)[number];
}

/** Scenarios that come with the package: load mixes first, then litmus tests, then the mail thread, by name. */
export function shippedScenarios(root: string): ShippedScenario[] {
  return FOLDERS.flatMap((folder) => {
    const path = join(root, 'scenarios', folder);
    if (!existsSync(path)) return [];
    return readdirSync(path)
      .filter((file) => /\.ya?ml$/.test(file))
      .sort()
      .map((file) => ({ name: file.replace(/\.ya?ml$/, ''), file: join(path, file), folder }));
  });
}

/** Campaigns of soaks that come with the package. */
export const shippedCampaigns = (root: string): { readonly name: string; readonly file: string }[] =>
  readdirSync(join(root, 'scenarios/campaigns'))
    .filter((file) => /\.ya?ml$/.test(file))
    .sort()
    .map((file) => ({ name: file.replace(/\.ya?ml$/, ''), file: join(root, 'scenarios/campaigns', file) }));

/** The file of a scenario given by name or by path. What looks like a path is one, though it may not exist. */
export function findScenario(root: string, cwd: string, given: string): string {
  const known = shippedScenarios(root);
  const shipped = known.find(({ name, folder }) => name === given || (folder !== '' && `${folder}/${name}` === given));
  if (shipped !== undefined) return shipped.file;
  const path = resolve(cwd, given);
  if (/\.ya?ml$/.test(given) || /[\\/]/.test(given) || (existsSync(path) && statSync(path).isFile())) return path;
  const hint = didYouMean(
    given,
    known.map((scenario) => scenario.name),
  );
  throw new OdpError({ code: 'ODP_E_SCENARIO_UNKNOWN', message: `no scenario '${given}'${hint}` });
}
