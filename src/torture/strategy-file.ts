import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { Strategy } from '../odp/strategy.ts';
import type { UserStrategy } from '../odp/user-strategy.ts';
import { type Issue, OdpError, type Position, systemReason } from '../scenario/errors.ts';
import type { CellPlan, StrategyFile } from '../scenario/plan.ts';
import { keepStrategy, strategyOf } from '../world/strategy-of.ts';
import { type Around, placeIn, reasonOf, watchedHooks } from './strategy-hooks.ts';
import { completed, strategyFaults } from './strategy-shape.ts';
import { userModule } from './user-module.ts';

/** A user's strategy, loaded and found to keep the contract. */
export interface LoadedStrategy {
  readonly strategy: Strategy;
  readonly file: StrategyFile;
}

/** What a list of strategies names as a file: `./mine.mjs`, `../x/y.ts#broken`, `file:///...`. */
export const isStrategyFile = (name: string): boolean => /[\\/]|\.[cm]?[jt]s(?:#|$)/.test(name);

/** As a user would write it: a path, with the export's name behind it. */
export function pathOfStrategy({ url }: Pick<StrategyFile, 'url'>): string {
  const { hash } = new URL(url);
  return fileURLToPath(url.slice(0, url.length - hash.length)) + decodeURIComponent(hash);
}

const fault = (at: Issue['at'] & {}, message: string, cause?: unknown): OdpError =>
  new OdpError({ code: 'ODP_E_STRATEGY_FILE', message, at }, { cause });

/** Loads the strategy that a command line names. Throws `ODP_E_STRATEGY_FILE` with all that is wrong with it. */
export async function loadStrategy(given: string, cwd: string): Promise<LoadedStrategy> {
  const [path = '', member] = given.startsWith('file:')
    ? [fileURLToPath(given.replace(/#.*$/, '')), given.split('#')[1]]
    : given.split('#');
  const absolute = resolve(cwd, path);
  if (!existsSync(absolute) || !statSync(absolute).isFile()) throw fault(given, 'there is no such file');
  const href = pathToFileURL(absolute).href;
  const file = { url: member === undefined ? href : `${href}#${encodeURIComponent(member)}`, sha256: hashOf(absolute) };
  return { strategy: await loadAt(file.url), file };
}

/**
 * Loads what a plan's strategy needs into this thread, once: nothing for a built-in one. In a thread that is explored this comes after
 * the thread was put under control, as the file's imports load the locks. Throws `ODP_E_STRATEGY_FILE`.
 */
export async function loadStrategyOf(
  plan: Pick<CellPlan, 'strategy' | 'strategyFile'>,
  around?: Around,
): Promise<void> {
  const { strategyFile } = plan;
  if (strategyFile === undefined || strategyOf(plan) !== undefined) return;
  const path = pathOfStrategy(strategyFile).replace(/#.*$/, '');
  if (!existsSync(path)) throw fault(path, 'there is no such file (any more)');
  // Threads start at any time of a long run: all must run the file that its results name.
  if (hashOf(path) !== strategyFile.sha256) throw fault(path, 'it has changed since it was loaded first');
  const strategy = await loadAt(strategyFile.url, around);
  if (strategy.name !== plan.strategy) throw fault(path, `it is named '${strategy.name}', not '${plan.strategy}'`);
}

/** A plan that was written down, with its strategy's file as it is today. */
export function withFileOfToday<P extends Pick<CellPlan, 'strategyFile'>>(
  plan: P,
): { readonly plan: P; readonly changed: boolean } {
  const { strategyFile } = plan;
  if (strategyFile === undefined) return { plan, changed: false };
  const path = pathOfStrategy(strategyFile).replace(/#.*$/, '');
  if (!existsSync(path)) throw fault(path, 'there is no such file (any more)');
  const sha256 = hashOf(path);
  const changed = sha256 !== strategyFile.sha256;
  return { plan: changed ? { ...plan, strategyFile: { ...strategyFile, sha256 } } : plan, changed };
}

function hashOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    throw fault(path, `it cannot be read: ${systemReason(error)}`, error);
  }
}

async function loadAt(url: string, around?: Around): Promise<Strategy> {
  const { href, hash } = new URL(url);
  const module = await imported(href.slice(0, href.length - hash.length));
  const path = pathOfStrategy({ url });
  const given = exportOf(module, decodeURIComponent(hash.slice(1)), path);
  const faults = strategyFaults(given);
  if (faults.length > 0)
    throw new OdpError(faults.map((message): Issue => ({ code: 'ODP_E_STRATEGY_FILE', message, at: path })));
  const strategy = watchedHooks(completed(given as UserStrategy, path), url, around);
  keepStrategy(url, strategy);
  return strategy;
}

function exportOf(module: Readonly<Record<string, unknown>>, name: string, path: string): unknown {
  const names = Object.keys(module);
  const exports = names.length === 0 ? 'it exports nothing' : `it exports ${names.join(', ')}`;
  if (name !== '') {
    if (module[name] === undefined) throw fault(path, `it has no export '${name}'; ${exports}`);
    return module[name];
  }
  const found = module.default ?? module.strategy;
  if (found === undefined)
    throw fault(path, `it exports no strategy: neither a default export nor one named 'strategy'; ${exports}`);
  return found;
}

async function imported(url: string): Promise<Record<string, unknown>> {
  const path = fileURLToPath(url);
  checkPackage(path);
  try {
    return (await import(userModule(url))) as Record<string, unknown>;
  } catch (error) {
    throw loadError(path, url, error);
  }
}

/** The file must use this very package: a strategy over another copy's locks and layouts would run, and mean nothing. */
function checkPackage(path: string): void {
  const theirs = resolved(path);
  if (theirs === null || !/odptorture\/(?:strategy|sync)/.test(readFileSync(path, 'utf8'))) return;
  const ours = realpathSync(fileURLToPath(new URL('../odp/public.js', import.meta.url)));
  if (theirs !== ours)
    throw fault(path, `its 'odptorture' is another copy, ${theirs}; run that one, or let it find this one, ${ours}`);
}

function resolved(path: string): string | null {
  try {
    return realpathSync(createRequire(path).resolve('odptorture/strategy'));
  } catch {
    return null;
  }
}

const TYPES_STRIPPED = 'Node 22.18, 23.6 and newer can; or give the built .js or .mjs';

function loadError(path: string, url: string, error: unknown): OdpError {
  if (error instanceof OdpError) return error;
  const { code } = (error ?? {}) as { code?: unknown };
  if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
    return fault(path, `Node ${process.version} cannot load TypeScript: ${TYPES_STRIPPED}`, error);
  if (code === 'ERR_MODULE_NOT_FOUND' && /'odptorture'/.test(reasonOf(error)))
    return fault(
      path,
      `it imports 'odptorture', which is not found from its folder: run 'npm install ${packageFolder()}' there`,
      error,
    );
  const at = error instanceof SyntaxError ? (syntaxPlace(path) ?? path) : placeIn(url, error);
  return fault(at, `it cannot be loaded: ${reasonOf(error)}`, error);
}

const packageFolder = (): string => fileURLToPath(new URL('../../../', import.meta.url)).replace(/[\\/]$/, '');

const CHECK_MS = 10_000;

/** An import that fails says what, but not where; `node --check` says where: the line, and a caret below its place. */
function syntaxPlace(path: string): Position | undefined {
  const { stderr } = spawnSync(process.execPath, ['--check', path], { encoding: 'utf8', timeout: CHECK_MS });
  const lines = (stderr ?? '').split('\n');
  const head = lines.findIndex((line) => /:\d+$/.test(line));
  const caret = lines.slice(head + 1).find((line) => /^\s*\^+\s*$/.test(line));
  if (head < 0) return undefined;
  // At the end of the file there is nothing to point at.
  return { file: path, line: Number(/:(\d+)$/.exec(lines[head]!)![1]), col: (caret?.indexOf('^') ?? 0) + 1 };
}
