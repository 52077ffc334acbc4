import { fileURLToPath } from 'node:url';
import type { Memory } from '../../memory/address.ts';
import { realMemory } from '../races/race-memory.ts';
import { readFrames } from '../races/race-sites.ts';
import { type ProgramErrorCode, programError } from './program-error.ts';

/**
 * Put in place on a thread that runs a user's program, before the program is loaded. What the scheduler cannot see or repeat is refused
 * while the program's function runs, with the place in the program: a search that went on would claim more than it knows. Our own code
 * has taken the functions that it needs before.
 */
export interface Guard {
  /** Runs a thread's function with the guard up; returns what it returned. */
  run<T>(body: () => T, name: string): T;
}

const UNSEEN: ProgramErrorCode = 'ODP_E_PROGRAM_UNSEEN_ATOMICS';
const UNREPEATABLE: ProgramErrorCode = 'ODP_E_PROGRAM_NONDETERMINISTIC';

const ATOMICS = [
  ...['load', 'store', 'add', 'sub', 'or', 'and', 'xor', 'exchange', 'compareExchange'],
  ...['wait', 'waitAsync', 'notify'],
];
/** What `odptorture/sync` calls the same; the others have none. */
const IN_SYNC = new Set(['load', 'store', 'add', 'or', 'and', 'exchange', 'compareExchange', 'wait', 'notify']);

type AnyFunction = (...args: unknown[]) => unknown;
type Holder = Record<string, unknown>;

interface State {
  up: boolean;
  readonly trusting: boolean;
  readonly arena: SharedArrayBuffer;
}

/** Of this package, as built and as written: oracles that a strategy's hook tells something may look at the clock. */
const OURS = ['../../', '../../../../src/'].map((folder) => fileURLToPath(new URL(folder, import.meta.url)));
const isOurs = (file: string | undefined): boolean => OURS.some((folder) => file?.startsWith(folder) === true);

/** `calls: 'all'` refuses whoever calls; `theirs` leaves alone what this package itself calls on the way. */
export function guardProgram(mem: Memory, calls: 'all' | 'theirs' = 'all'): Guard {
  const state: State = { up: false, trusting: calls === 'theirs', arena: realMemory(mem).buffer };
  for (const name of ATOMICS) guardAtomic(state, name);
  const refuse = (holder: object | undefined, name: string, call: string, why: string): void =>
    replace(holder as Holder | undefined, name, (original) => refused(state, original, call, why));
  refuse(Date, 'now', 'Date.now()', CLOCK);
  refuse(performance, 'now', 'performance.now()', CLOCK);
  refuse(Math, 'random', 'Math.random()', RANDOM);
  for (const name of ['getRandomValues', 'randomUUID']) refuse(globalThis.crypto, name, `crypto.${name}()`, RANDOM);
  for (const name of ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'])
    refuse(globalThis, name, `${name}()`, LATER);
  refuse(process, 'nextTick', 'process.nextTick()', LATER);
  refuse(process.hrtime, 'bigint', 'process.hrtime.bigint()', CLOCK);
  refuse(process, 'hrtime', 'process.hrtime()', CLOCK);
  guardDate(state);
  return {
    run(body, name) {
      state.up = true;
      let result: ReturnType<typeof body>;
      try {
        result = body();
      } finally {
        state.up = false;
      }
      if (isThenable(result))
        throw programError(
          UNREPEATABLE,
          `thread '${name}' returns a promise: what comes after an await runs outside of every schedule; write a plain function`,
        );
      return result;
    },
  };
}

const CLOCK = 'what a thread does may not depend on the clock, or a schedule cannot be repeated';
const RANDOM =
  'a schedule cannot be repeated when its threads draw random numbers; use a fixed sequence, or a number for each thread';
const LATER = 'what it calls later runs outside of every schedule; call it from the thread itself';

const isThenable = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && typeof (value as { then?: unknown }).then === 'function';

/** Where the program called what is refused. */
function callSite() {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 20;
  const [site] = readFrames(new Error('call').stack ?? '');
  Error.stackTraceLimit = limit;
  return site;
}

function replace(holder: Holder | undefined, name: string, make: (original: AnyFunction) => AnyFunction): void {
  const original = holder?.[name];
  if (holder === undefined || typeof original !== 'function') return;
  const value = make(original as AnyFunction);
  // What hangs on it (`process.hrtime.bigint`) is kept.
  Object.assign(value, original);
  Object.defineProperty(holder, name, { value, writable: true, configurable: true });
}

function refused(state: State, original: AnyFunction, call: string, why: string): AnyFunction {
  return function (this: unknown, ...args: unknown[]) {
    if (!state.up) return original.apply(this, args);
    const site = callSite();
    if (state.trusting && isOurs(site?.file)) return original.apply(this, args);
    state.up = false;
    throw programError(UNREPEATABLE, `${call} in an explored thread: ${why}`, site);
  };
}

/** Raw `Atomics` on the shared words would be no steps: nobody could come between, and nobody would be woken. */
function guardAtomic(state: State, name: string): void {
  const advice = IN_SYNC.has(name)
    ? `use ${name}(task, ...) from 'odptorture/sync'`
    : "use what 'odptorture/sync' has, such as compareExchange(task, ...)";
  replace(Atomics as unknown as Holder, name, (original) => (...args) => {
    const [array] = args as [Memory | undefined];
    if (state.up && isShared(state, array)) {
      state.up = false;
      throw programError(
        UNSEEN,
        `Atomics.${name} on the shared memory is not seen by the scheduler: ${advice}`,
        callSite(),
      );
    }
    return original.apply(Atomics, args);
  });
}

const isShared = (state: State, array: Memory | undefined): boolean =>
  ArrayBuffer.isView(array) ? array.buffer === state.arena : array !== undefined && realMemory(array) !== array;

/** `new Date()` and `Date()` read the clock; `new Date(0)` does not. */
function guardDate(state: State): void {
  const Original = Date;
  globalThis.Date = new Proxy(Original, {
    construct(target, args, newTarget) {
      if (args.length === 0) check();
      return Reflect.construct(target, args, newTarget);
    },
    apply(target, self, args) {
      check();
      return Reflect.apply(target, self, args);
    },
  });
  const check = (): void => {
    if (!state.up) return;
    state.up = false;
    throw programError(UNREPEATABLE, `new Date() in an explored thread: ${CLOCK}`, callSite());
  };
}
