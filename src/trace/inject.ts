import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import type { Actor } from './actor.ts';
import * as actorModule from './actor.ts';
import * as countersModule from './counters.ts';
import * as pointModule from './point.ts';
import * as pointsModule from './points.ts';
import * as randomModule from './random.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { rawCompareExchange, rawLoad } = atomicsModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { mixSeed, nextRandom } = randomModule;

/**
 * What can be made to fail, named as in the kernel's fault injection where the kernel has it. The order is the number that traces
 * carry and the order of the `inject.*` counters; append, never reorder.
 */
export const CAPABILITIES = [
  /** A slab allocation: a VMA, a memory region, what a design allocates for itself. ENOMEM. */
  'failslab',
  /** A page frame. ENOMEM. */
  'fail_page_alloc',
  /** A trylock finds the lock taken. */
  'fail_trylock',
  /** A non-blockable start of a section is refused. EAGAIN. */
  'fail_nonblock',
  /** A design's pool has no slot free at the first look. */
  'fail_pool',
  /** A device command has to be posted again. */
  'fail_command',
] as const;
export type Capability = (typeof CAPABILITIES)[number];

/** Capability name to number. */
export const CAP = Object.freeze(Object.fromEntries(CAPABILITIES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in Capability]: number;
};

/** struct fault_attr, as far as it means anything here. One call counts as a size of 1. */
export interface InjectAttributes {
  /** Percent of the calls that fail, 0 .. 100. */
  readonly probability: number;
  /** Only every n-th call of a thread is looked at. */
  readonly interval: number;
  /** Failures at most, of all threads together; -1: no limit. */
  readonly times: number;
  /** Calls of each thread that succeed before any of its calls can fail. */
  readonly space: number;
  /** The n-th call of each thread fails, exactly once, whatever else is set; 0: none. As /proc/<pid>/fail-nth, but for one capability. */
  readonly failNth: number;
  /** Roles or names of the threads that it is for; empty: all of them. */
  readonly taskFilter: readonly string[];
}

/** What a cell makes fail. Plain data. */
export type InjectPlan = Readonly<Partial<Record<Capability, InjectAttributes>>>;

/** One thread's own state of each capability, by number. */
export interface Inject {
  readonly attributes: readonly (InjectAttributes | null)[];
  /** The first of CAPABILITIES.length shared words: failures left. */
  readonly budget: Addr;
  readonly seed: number;
  /** `probability` scaled to 2^32. */
  readonly below: Float64Array;
  readonly interval: Int32Array;
  readonly space: Float64Array;
  readonly nth: Int32Array;
  readonly calls: Int32Array;
  rng: number;
}

/** Words that all threads share: what is left of `times`. */
export const INJECT_WORDS = CAPABILITIES.length;
/** Of the stream of a thread's failures: what its role draws does not depend on them. */
const STREAM = 0xfa11;
const FIRED = COUNTER['inject.failslab'];
const FAILED = POINT['inject.failed'];

/** Makes the state of thread `tid`, or null when nothing fails for it. `names` are its role and its name. */
export function createInject(
  plan: InjectPlan | undefined,
  seed: number,
  tid: number,
  names: readonly string[],
  budget: Addr,
): Inject | null {
  if (plan === undefined) return null;
  const attributes = CAPABILITIES.map((name) => {
    const attr = plan[name];
    if (attr === undefined || (attr.probability <= 0 && attr.failNth === 0)) return null;
    return attr.taskFilter.length === 0 || attr.taskFilter.some((one) => names.includes(one)) ? attr : null;
  });
  if (attributes.every((attr) => attr === null)) return null;
  const n = CAPABILITIES.length;
  const inject: Inject = {
    attributes,
    budget,
    seed: mixSeed(seed, tid, STREAM),
    below: new Float64Array(n),
    interval: new Int32Array(n),
    space: new Float64Array(n),
    nth: new Int32Array(n),
    calls: new Int32Array(n),
    rng: 1,
  };
  injectReset(inject);
  return inject;
}

/** As it was when it was made: each schedule of an explored litmus starts so. */
export function injectReset(inject: Inject): void {
  inject.rng = inject.seed;
  inject.attributes.forEach((attr, cap) => {
    inject.below[cap] = ((attr?.probability ?? 0) / 100) * 2 ** 32;
    inject.interval[cap] = attr?.interval ?? 1;
    inject.space[cap] = attr?.space ?? 0;
    inject.nth[cap] = attr?.failNth ?? 0;
    inject.calls[cap] = 0;
  });
}

/** Once for each arena, before the threads start. */
export function injectInit(mem: Memory, budget: Addr, plan: InjectPlan | undefined): void {
  for (const [cap, name] of CAPABILITIES.entries()) mem[budget + cap] = plan?.[name]?.times ?? -1;
}

/**
 * should_fail: whether this call of a capability is made to fail. Depends on the cell's seed, the tid and the thread's own calls, and
 * where `times` is set on what is left of it. With nothing to inject it costs a load and a branch. Raw words only: to a controlled
 * run it is no step.
 */
export function shouldFail(actor: Actor, cap: number): boolean {
  return actor.inject !== null && failNow(actor, actor.inject, cap);
}

function failNow(actor: Actor, inject: Inject, cap: number): boolean {
  if (inject.attributes[cap] === null) return false;
  inject.calls[cap]++;
  if (inject.nth[cap] !== 0) {
    // Until it has come to that call nothing else is asked, as in the kernel.
    if (--inject.nth[cap] !== 0) return false;
  } else if (!drawn(actor.mem, inject, cap)) return false;
  count(actor, FIRED + cap);
  point(actor, FAILED, cap, inject.calls[cap], 0);
  return true;
}

/** The attributes in the kernel's order: probability 0, times, space, interval, then the dice. */
function drawn(mem: Memory, inject: Inject, cap: number): boolean {
  if (inject.below[cap] === 0) return false;
  const word = at(inject.budget, cap);
  if (rawLoad(mem, word) === 0) return false;
  if (inject.space[cap] > 0) {
    inject.space[cap]--;
    return false;
  }
  const interval = inject.interval[cap];
  // `calls` counts the ones that `space` let through as well: the rhythm begins with the thread.
  if (interval > 1 && inject.calls[cap] % interval !== 0) return false;
  return nextRandom(inject) >>> 0 < inject.below[cap] && spend(mem, word);
}

/** Takes one of the failures that are left; -1 is no limit. */
function spend(mem: Memory, word: Addr): boolean {
  for (let left = rawLoad(mem, word); left !== 0; ) {
    if (left < 0) return true;
    const found = rawCompareExchange(mem, word, left, left - 1);
    if (found === left) return true;
    left = found;
  }
  return false;
}
