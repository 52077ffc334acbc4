import { ACCESS, OP_INFO } from '../../sync/control.ts';
import { H, lowestBit, randomBelow, type Sched, STATUS, T, thread } from '../control/sched.ts';
import type { Picker } from './picker.ts';
import { drawPriority, highestPriority } from './pos.ts';

/** What the driver says: the words whose steps are interesting, and how many such steps each thread is thought to have. */
export const SURW = { wordCount: 0, words: 1, remaining: 16 } as const;
export const SURW_MAX_WORDS = 15;

const REMAINING = T.policy + 1;
/** The thread that is meant to do the next interesting step; -1: not drawn yet. */
const INTENDED = H.scratch;
/** Threads that stand before an interesting step which is not theirs to do now, as bits. */
const HELD_BACK = H.scratch + 1;

/** Interesting in a lock is who gets it: that it is given back follows. */
export const isInteresting = (op: number): boolean =>
  OP_INFO[op].access !== ACCESS.local && OP_INFO[op].lock !== 'release';

/**
 * Selectively uniform random walk (Zhao, Wolff, Mathur and Roychoudhury, "Selectively Uniform Concurrency Testing", ASPLOS 2025).
 * All interleavings of the interesting steps are equally probable: the thread that does the next one is drawn in proportion to the
 * interesting steps that each has left. Until it gets there the others run as well, by a random priority for each step, but only up
 * to their own next interesting step.
 */
export const surwPicker: Picker = {
  name: 'surw',
  start({ s, threads }) {
    s[INTENDED] = -1;
    s[HELD_BACK] = 0;
    for (let tid = 0; tid < threads; tid++) {
      drawPriority(s, tid);
      s[thread(tid) + REMAINING] = s[H.parameters + SURW.remaining + tid];
    }
  },
  pick(sched, enabled) {
    const { s } = sched;
    // A thread that waits may be meant, too: the others go on until it can, as when one of them has yet to let it begin.
    let eligible = liveMask(sched);
    for (;;) {
      let free = enabled & ~s[HELD_BACK];
      if (free === 0) {
        // Whoever was meant cannot get there (it waits for one that is held back, or has ended): another is drawn.
        s[INTENDED] = -1;
        s[HELD_BACK] = 0;
        free = enabled;
        eligible = enabled;
      }
      const tid = highestPriority(s, free);
      if (pendsInteresting(s, tid)) {
        const t = thread(tid);
        if (s[t + REMAINING] <= 0) s[t + REMAINING] = 1;
        if (s[INTENDED] < 0) s[INTENDED] = drawIntended(s, eligible);
        if (s[INTENDED] !== tid) {
          s[HELD_BACK] |= 1 << tid;
          continue;
        }
        s[t + REMAINING]--;
        s[INTENDED] = -1;
        s[HELD_BACK] = 0;
      }
      drawPriority(s, tid);
      return tid;
    }
  },
};

function pendsInteresting(s: Int32Array, tid: number): boolean {
  const t = thread(tid);
  if (!isInteresting(s[t + T.op])) return false;
  const count = s[H.parameters + SURW.wordCount];
  for (let i = 0; i < count; i++) if (s[H.parameters + SURW.words + i] === s[t + T.addr]) return true;
  return false;
}

/** One of the threads of a mask, in proportion to the interesting steps that they have left; some have. */
function drawIntended(s: Int32Array, mask: number): number {
  let total = 0;
  for (let m = mask; m !== 0; m &= m - 1) total += s[thread(lowestBit(m)) + REMAINING];
  let left = randomBelow(s, total);
  for (let m = mask; m !== 0; m &= m - 1) {
    left -= s[thread(lowestBit(m)) + REMAINING];
    if (left < 0) return lowestBit(m);
  }
  return lowestBit(mask);
}

/** Threads that have not ended. */
function liveMask({ s, threads }: Sched): number {
  let mask = 0;
  for (let tid = 0; tid < threads; tid++) if (s[thread(tid) + T.status] !== STATUS.done) mask |= 1 << tid;
  return mask;
}
