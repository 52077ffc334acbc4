import { ACCESS } from '../../sync/control.ts';
import { H, L, LOG_WORDS, nextRandom, randomBelow, T, thread } from '../control/sched.ts';
import type { Picker } from './picker.ts';
import { highestPriority } from './pos.ts';

/**
 * What the driver says. `depth`: steps whose order the bug depends on. `length`: contended steps of a schedule, as far as known.
 * `contended`: the words that two threads touch and one writes, as bits of a hash; one bit too many does no harm.
 */
export const PCT = { depth: 0, length: 1, contended: 2 } as const;
export const PCT_MAX_DEPTH = 8;
const CONTENDED_WORDS = 64;

const COUNT = H.scratch;
/** The contended steps behind which the thread that did them falls back. */
const CHANGES = H.scratch + 1;
const PRIORITY = T.policy;

/** Bit of an address in `contended`. */
const bitOf = (addr: number): number => (addr ^ (addr >>> 11)) & (CONTENDED_WORDS * 32 - 1);

export function markContended(parameters: Int32Array, addr: number): void {
  const bit = bitOf(addr);
  parameters[PCT.contended + (bit >>> 5)] |= 1 << (bit & 31);
}

function isContended(s: Int32Array, addr: number): boolean {
  const bit = bitOf(addr);
  return (s[H.parameters + PCT.contended + (bit >>> 5)] & (1 << (bit & 31))) !== 0;
}

/**
 * PCT (Burckhardt et al., "A Randomized Scheduler with Probabilistic Guarantees of Finding Bugs", ASPLOS 2010). Threads have random
 * priorities and the highest runs; at `depth - 1` random steps the one that runs falls below all others. A bug that depends on the
 * order of `depth` steps shows with a probability of at least 1 / (threads * length ^ (depth - 1)). So that `length` is small, only
 * steps on words that threads contend for count.
 */
export const pctPicker: Picker = {
  name: 'pct',
  start({ s, threads }) {
    const changes = s[H.parameters + PCT.depth] - 1;
    const length = s[H.parameters + PCT.length];
    s[COUNT] = 0;
    for (let i = 0; i < PCT_MAX_DEPTH; i++) {
      s[CHANGES + i] = i < changes && length > 0 ? 1 + randomBelow(s, length) : 0;
    }
    for (let tid = 0; tid < threads; tid++) s[thread(tid) + PRIORITY] = PCT_MAX_DEPTH + (nextRandom(s) >>> 2);
  },
  pick: ({ s }, enabled) => highestPriority(s, enabled),
  ran({ s, log }, step) {
    const record = log + step * LOG_WORDS;
    if (s[record + L.access] === ACCESS.local || !isContended(s, s[record + L.addr])) return;
    const count = ++s[COUNT];
    for (let i = 0; i < PCT_MAX_DEPTH; i++) {
      if (s[CHANGES + i] === count) s[thread(s[record + L.tid]) + PRIORITY] = i;
    }
  },
};
