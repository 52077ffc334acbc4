import { bitCount, H, L, LOG_WORDS, MAX_THREADS, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import { pickerId } from '../policies/index.ts';
import { createHandOffReader } from './hand-off.ts';
import { executionHash } from './hash.ts';

/** What was seen, as plain data that travels between processes and adds up. */
export interface CoverageSnapshot {
  /** Schedules that count. */
  readonly schedules: number;
  /** Hashes of the executions, and how often each was seen. */
  readonly executions: readonly number[];
  readonly times: readonly number[];
  /** Schedules of executions that were not kept, because there were too many. */
  readonly unkept: number;
  readonly handOffs: readonly number[];
  readonly tree: TreeEstimate;
}

/** Knuth's estimates of the number of schedules, one a random walk: how many, and their mean as `scaled * 2^exponent / walks`. */
export interface TreeEstimate {
  readonly walks: number;
  readonly scaled: number;
  readonly exponent: number;
}

/** What may be said of it. */
export interface CoverageSummary {
  readonly schedules: number;
  /** Executions that differ by more than the order of steps which commute. */
  readonly executions: number;
  /** There are more of them than could be kept: the number is a lower bound. */
  readonly atLeast: boolean;
  readonly handOffs: number;
  /** Estimated number of schedules (not: of different executions) that there are; null: no random walk was made. */
  readonly tree: number | null;
  /** Estimated number of executions that there are (Chao1): a lower bound too, and a rough one while `share` is small. */
  readonly estimate: number;
  readonly share: number;
}

export interface CoverageOptions {
  /** Executions that are told apart: about 60 bytes each. */
  readonly keepMax?: number;
}

const KEEP_MAX = 2_000_000;

export interface Coverage {
  /** After a schedule, before the next. */
  note(sched: Sched, outcome: ScheduleOutcome): void;
  /**
   * The probability that the next schedule shows an execution seen before (Good and Turing): 1 - singletons / schedules. It says
   * how much of what this sampler does is known by now, not how much of the tree is.
   */
  share(): number;
  summary(): CoverageSummary;
  snapshot(): CoverageSnapshot;
  /** What came since the last time, for a process that reports; null: nothing. */
  takeDelta(): CoverageSnapshot | null;
  /** Adds what another has seen. */
  add(snapshot: CoverageSnapshot): void;
}

interface Tree {
  walks: number;
  scaled: number;
  exponent: number;
}

const emptyTree = (): Tree => ({ walks: 0, scaled: 0, exponent: 0 });

export function createCoverage(options: CoverageOptions = {}): Coverage {
  const all = createStore(options.keepMax ?? KEEP_MAX);
  const reader = createHandOffReader();
  const randomId = pickerId('random');
  let fresh: Store | null = null;
  let deltas = false;

  return {
    note(sched, outcome) {
      // Redundant ones were seen before, and those that broke off were no executions of the program.
      if (outcome === OUTCOME.redundant || outcome === OUTCOME.diverged || outcome === OUTCOME.hung) return;
      if (deltas) fresh ??= createStore(Number.POSITIVE_INFINITY);
      const hash = executionHash(sched);
      all.count(hash, 1);
      fresh?.count(hash, 1);
      reader.read(sched, (pair) => {
        if (all.handOffs.has(pair)) return;
        all.handOffs.add(pair);
        fresh?.handOffs.add(pair);
      });
      if (sched.s[H.policy] !== randomId || sched.s[H.prefixLength] !== 0 || outcome === OUTCOME.stepLimit) return;
      const bits = treeBits(sched);
      addWalks(all.tree, 1, bits);
      if (fresh !== null) addWalks(fresh.tree, 1, bits);
    },
    share: () => all.share(),
    summary: () => all.summary(),
    snapshot: () => all.snapshot(),
    takeDelta() {
      const delta = deltas ? fresh : all;
      deltas = true;
      fresh = null;
      return delta === null || delta.schedules() === 0 ? null : delta.snapshot();
    },
    add: (snapshot) => all.add(snapshot),
  };
}

/** Adds up what several processes saw. */
export function mergeCoverage(snapshots: readonly CoverageSnapshot[], options: CoverageOptions = {}): CoverageSnapshot {
  const store = createStore(options.keepMax ?? KEEP_MAX);
  for (const snapshot of snapshots) store.add(snapshot);
  return store.snapshot();
}

export function summarizeCoverage(snapshot: CoverageSnapshot): CoverageSummary {
  const store = createStore(Number.POSITIVE_INFINITY);
  store.add(snapshot);
  return store.summary();
}

interface Store {
  readonly handOffs: Set<number>;
  readonly tree: Tree;
  count(hash: number, times: number): void;
  schedules(): number;
  share(): number;
  summary(): CoverageSummary;
  snapshot(): CoverageSnapshot;
  add(snapshot: CoverageSnapshot): void;
}

function createStore(keepMax: number): Store {
  const executions = new Map<number, number>();
  const handOffs = new Set<number>();
  const tree = emptyTree();
  let schedules = 0;
  let unkept = 0;
  /** Executions seen once, and twice. */
  let once = 0;
  let twice = 0;

  const count = (hash: number, times: number): void => {
    schedules += times;
    const before = executions.get(hash) ?? 0;
    if (before === 0 && executions.size >= keepMax) {
      unkept += times;
      return;
    }
    const now = before + times;
    executions.set(hash, now);
    once += (now === 1 ? 1 : 0) - (before === 1 ? 1 : 0);
    twice += (now === 2 ? 1 : 0) - (before === 2 ? 1 : 0);
  };
  // Of an execution that was not kept nobody knows whether it was seen before: it counts as new.
  const share = (): number => (schedules === 0 ? 0 : Math.max(0, 1 - (once + unkept) / schedules));
  return {
    handOffs,
    tree,
    count,
    schedules: () => schedules,
    share,
    summary: () => ({
      schedules,
      executions: executions.size,
      atLeast: unkept > 0,
      handOffs: handOffs.size,
      tree: tree.walks === 0 ? null : (tree.scaled / tree.walks) * 2 ** tree.exponent,
      estimate: executions.size + (once * Math.max(0, once - 1)) / (2 * (twice + 1)),
      share: share(),
    }),
    snapshot: () => ({
      schedules,
      executions: [...executions.keys()],
      times: [...executions.values()],
      unkept,
      handOffs: [...handOffs],
      tree: { ...tree },
    }),
    add(snapshot) {
      snapshot.executions.forEach((hash, i) => {
        count(hash, snapshot.times[i]!);
      });
      schedules += snapshot.unkept;
      unkept += snapshot.unkept;
      for (const pair of snapshot.handOffs) handOffs.add(pair);
      if (snapshot.tree.walks > 0)
        addWalks(tree, snapshot.tree.walks, Math.log2(snapshot.tree.scaled) + snapshot.tree.exponent);
    },
  };
}

/** A step always has one. */
const LOG2 = Array.from({ length: MAX_THREADS + 1 }, (_, branches) => Math.log2(Math.max(1, branches)));

/** log2 of the product of the branches on the way: the mean of the products over random walks is the number of schedules. */
function treeBits({ s, log }: Sched): number {
  let bits = 0;
  for (let i = 0; i < s[H.steps]; i++) {
    const branches = bitCount(s[log + i * LOG_WORDS + L.enabled]);
    bits += LOG2[branches]!;
  }
  return bits;
}

/** Adds `walks` whose estimates add up to 2^bits. The sum has an exponent of its own: products of long schedules are no doubles. */
function addWalks(tree: Tree, walks: number, bits: number): void {
  const exponent = Math.max(tree.walks === 0 ? Math.floor(bits) : tree.exponent, Math.floor(bits));
  tree.scaled = tree.scaled * 2 ** (tree.exponent - exponent) + 2 ** (bits - exponent);
  tree.exponent = exponent;
  tree.walks += walks;
}
