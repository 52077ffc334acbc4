import { H, lowestBit, T, thread } from '../control/sched.ts';
import type { Picker } from './picker.ts';

/** Index of the next wish, and the thread of the last one + 1. */
const CURSOR = H.scratch;
const ACTIVE = H.scratch + 1;
/** Wishes of a thread that were read and not yet granted. */
const DUE = T.policy;
/** Set in a wish: for all steps that the thread has. Tids have five bits. */
export const TO_ITS_END = 32;
const ALL = 1 << 30;

/**
 * Takes the prefix as wishes: the n-th wish for a thread asks for its n-th step. A wish that is not possible is owed, and granted
 * with the thread's next wish; so a schedule still means the same when other threads do more or less than before. Behind the wishes
 * it goes on as `continue` does. What shrinking and a replay that has diverged run with.
 */
export const followPicker: Picker = {
  name: 'follow',
  wishes: true,
  start({ s, threads }) {
    s[CURSOR] = 0;
    s[ACTIVE] = 0;
    for (let tid = 0; tid < threads; tid++) s[thread(tid) + DUE] = 0;
  },
  pick({ s, prefix }, enabled, current) {
    for (;;) {
      const active = s[ACTIVE] - 1;
      if (active >= 0 && (enabled & (1 << active)) !== 0 && s[thread(active) + DUE] > 0) {
        s[thread(active) + DUE]--;
        return active;
      }
      if (s[CURSOR] >= s[H.prefixLength]) break;
      const wish = s[prefix + s[CURSOR]++];
      const tid = wish & (TO_ITS_END - 1);
      if (wish < TO_ITS_END) s[thread(tid) + DUE]++;
      else s[thread(tid) + DUE] = ALL;
      s[ACTIVE] = tid + 1;
    }
    return current >= 0 && (enabled & (1 << current)) !== 0 ? current : lowestBit(enabled);
  },
};
