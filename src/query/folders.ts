import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { SOAK_FILES } from '../results/soak-types.ts';
import { OdpError } from '../scenario/errors.ts';

/** The folder of a run, a matrix, a soak or an exploration. */
export interface RunFolder {
  readonly dir: string;
  /** As a command line in the working folder names it: what the column `run` holds. */
  readonly name: string;
  readonly kind: 'run' | 'soak' | 'explore';
}

/** How deep runs are looked for: `results/<scenario>/<run>`. */
const MAX_DEPTH = 3;

/** A word of a command line that names folders and not SQL. */
export const isFolderArgument = (text: string, cwd: string): boolean =>
  existsSync(resolve(cwd, text)) || (/[*?]/.test(text) && !/\s/.test(text));

/**
 * Runs in these folders, which may be those of runs, or hold such, or be globs (`*`, `?`). Each run once, in order of its path. Throws
 * `ODP_E_QUERY_NO_RUN`.
 */
export function findRuns(given: readonly string[], cwd: string): RunFolder[] {
  const found = new Map<string, RunFolder>();
  for (const text of given) {
    const before = found.size;
    const paths = /[*?]/.test(text) && !existsSync(resolve(cwd, text)) ? expanded(text, cwd) : [resolve(cwd, text)];
    for (const path of paths) collect(path, cwd, 0, found);
    if (found.size === before && !paths.some((path) => isUnder(path, found)))
      throw new OdpError({ code: 'ODP_E_QUERY_NO_RUN', message: reasonOf(paths), at: text });
  }
  return [...found.values()].sort((a, b) => (a.dir < b.dir ? -1 : 1));
}

const isUnder = (path: string, found: ReadonlyMap<string, RunFolder>): boolean => {
  const real = existsSync(path) ? realpathSync(path) : path;
  return [...found.keys()].some((dir) => dir === real || dir.startsWith(join(real, '/')));
};

const reasonOf = (paths: readonly string[]): string =>
  paths.length === 0 || !paths.some((path) => existsSync(path))
    ? 'there is no such folder'
    : `no run is there: a run is a folder with a ${SOAK_FILES.run}`;

function collect(path: string, cwd: string, depth: number, found: Map<string, RunFolder>): void {
  if (!existsSync(path) || !statSync(path).isDirectory()) return;
  const dir = realpathSync(path);
  if (existsSync(join(dir, SOAK_FILES.run))) {
    if (!found.has(dir)) found.set(dir, { dir, name: nameOf(dir, cwd), kind: kindOf(dir) });
    return;
  }
  if (depth >= MAX_DEPTH) return;
  for (const entry of readdirSync(dir, { withFileTypes: true })) {
    // `latest` is a link to one of its neighbours.
    if (entry.isDirectory()) collect(join(dir, entry.name), cwd, depth + 1, found);
  }
}

function nameOf(dir: string, cwd: string): string {
  const below = relative(realpathSync(cwd), dir);
  return below.startsWith('..') ? dir : below || '.';
}

function kindOf(dir: string): RunFolder['kind'] {
  const command = commandOf(dir);
  if (command === 'soak' || command === 'explore') return command;
  return command === undefined && existsSync(join(dir, SOAK_FILES.cells)) ? 'soak' : 'run';
}

function commandOf(dir: string): unknown {
  try {
    return (JSON.parse(readFileSync(join(dir, SOAK_FILES.run), 'utf8')) as { command?: unknown }).command;
  } catch {
    // Torn: the tables say so.
    return undefined;
  }
}

/** Expands `*` and `?` in each part of a path. Node 20 has no glob of its own. */
function expanded(pattern: string, cwd: string): string[] {
  let paths = [pattern.startsWith('/') ? '/' : cwd];
  for (const part of pattern.split('/').filter((one) => one !== '')) {
    if (!/[*?]/.test(part)) {
      paths = paths.map((path) => join(path, part));
      continue;
    }
    const matcher = new RegExp(
      `^${part
        .replaceAll(/[.+^${}()|[\]\\]/g, '\\$&')
        .replaceAll('*', '.*')
        .replaceAll('?', '.')}$`,
    );
    paths = paths.flatMap((path) => namesIn(path).flatMap((name) => (matcher.test(name) ? [join(path, name)] : [])));
  }
  return paths;
}

function namesIn(path: string): string[] {
  try {
    return readdirSync(path).filter((name) => !name.startsWith('.'));
  } catch {
    return [];
  }
}

/** Those of these runs' files that are there and not empty. */
export const filesOf = (runs: readonly RunFolder[], name: string): string[] =>
  runs.map(({ dir }) => join(dir, name)).filter((path) => existsSync(path) && statSync(path).size > 0);
