import { fileURLToPath } from 'node:url';
import { OUTCOME } from '../mm/outcome.ts';
import type { Strategy } from '../odp/strategy.ts';
import { NO_EXPECTATION } from '../odp/user-strategy.ts';
import { OdpError, type Position } from '../scenario/errors.ts';
import { expectationFault, HOOKS, type HookName, LOCK_MODES, show } from './strategy-shape.ts';

/** Runs a hook in a frame of somebody's: under `explore`, what cannot be repeated is refused meanwhile. */
export type Around = <T>(body: () => T, name: string) => T;

type AnyHook = (...args: readonly unknown[]) => unknown;
/** What a hook must return, in words, when it has returned something else; null when it has not. `blockable` is the last argument of rangeStart. */
type Check = (value: unknown, blockable: unknown) => string | null;

const boolean: Check = (value) => (typeof value === 'boolean' ? null : 'true or false');
const CHECKS: Readonly<Partial<Record<HookName, Check>>> = {
  registerLocks: (mode) => (LOCK_MODES.includes(mode) ? null : "'none', 'read', 'write' or 'all'"),
  rangeStart: (outcome, blockable) =>
    outcome === OUTCOME.ok || (outcome === OUTCOME.eagain && blockable === false)
      ? null
      : `OUTCOME.ok${blockable === false ? ', or OUTCOME.eagain' : '; only a section that is not blockable may be refused'}`,
  faultBegin: (sample) =>
    Number.isInteger(sample) && (sample as number) >= -1 ? null : 'a whole number that is not negative, or -1: wait',
  faultCheck: boolean,
  faultWait: boolean,
};
const NO_CHECK: Check = () => null;

/**
 * A user's strategy with a look at each hook: what it throws is told with the strategy, the hook and the place in the file, and an answer
 * that the skeleton cannot use is an error there and not a riddle later. Built-in strategies are trusted, and do without.
 */
export function watchedHooks(given: Strategy, url: string, around?: Around): Strategy {
  const watched = HOOKS.filter((hook) => hook !== 'expected' && given[hook] !== undefined).map((hook) => [
    hook,
    watchedHook(given, hook, url, around),
  ]);
  return { ...given, ...Object.fromEntries(watched), expected: safeExpected(given) } as Strategy;
}

function watchedHook(given: Strategy, hook: HookName, url: string, around: Around | undefined): AnyHook {
  const own = (given[hook] as AnyHook).bind(given);
  const name = `${hook} of ${given.name}`;
  const fn: AnyHook = around === undefined ? own : (...args) => around(() => own(...args), name);
  const check = CHECKS[hook] ?? NO_CHECK;
  // As many arguments as the longest hook has: on the hot path nothing is gathered into arrays.
  return (a, b, c, d, e, f) => {
    let value: unknown;
    try {
      value = fn(a, b, c, d, e, f);
    } catch (error) {
      throw hookError(given.name, hook, url, error);
    }
    const must = check(value, f);
    if (must === null) return value;
    throw hookError(given.name, hook, url, new TypeError(`it returned ${show(value)}; it must return ${must}`));
  };
}

/** Asked for when a cell is over: what it has found must not be lost over this. */
const safeExpected =
  (given: Strategy): Strategy['expected'] =>
  (era, traits, params) => {
    try {
      const answer = given.expected(era, traits, params);
      const fault = expectationFault(answer);
      return fault === '' ? answer : { ...NO_EXPECTATION, reason: `its hook 'expected' ${fault}` };
    } catch (error) {
      return { ...NO_EXPECTATION, reason: `its hook 'expected' threw ${reasonOf(error)}` };
    }
  };

/** The first line of what was thrown. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return `${show(error)} was thrown`;
  return `${error.name === 'Error' ? '' : `${error.name}: `}${error.message}`.split('\n')[0]!;
}

/** What a hook threw, as the user is told it. What is no fault of the hook passes through: a schedule that is given up, an error of ours. */
function hookError(strategy: string, hook: HookName, url: string, error: unknown): unknown {
  if (typeof error === 'symbol' || error instanceof OdpError) return error;
  const message = `strategy '${strategy}', hook '${hook}': ${reasonOf(error)}`;
  return new OdpError({ code: 'ODP_E_STRATEGY_HOOK', message, at: placeIn(url, error) }, { cause: error });
}

/** The innermost place in the user's file; the file alone when the stack has none. */
export function placeIn(url: string, error: unknown): Position | string {
  const href = url.replace(/#.*$/, '');
  const file = fileURLToPath(href);
  const stack = error instanceof Error ? (error.stack ?? '') : '';
  for (const line of stack.split('\n')) {
    const match = /:(\d+):(\d+)\)?$/.exec(line);
    if (match !== null && (line.includes(href) || line.includes(file)))
      return { file, line: Number(match[1]), col: Number(match[2]) };
  }
  return file;
}
