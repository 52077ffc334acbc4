import { conflicts, L, LOG_WORDS, nextRandom, pendingAccess, STATUS, T, thread } from '../control/sched.ts';
import type { Picker } from './picker.ts';

/** Priority of the step that a thread will do next. */
const PRIORITY = T.policy;

/**
 * Partial order sampling (Yuan, Yang and Gu, "Partial Order Aware Concurrency Sampling", CAV 2018). Each step still to come has a
 * random priority and the highest runs. A priority is drawn again when its step has run, and when it races with what has run:
 * else a step that lost one race would lose all the later ones too.
 */
export const posPicker: Picker = {
  name: 'pos',
  start({ s, threads }) {
    for (let tid = 0; tid < threads; tid++) drawPriority(s, tid);
  },
  pick: ({ s }, enabled) => highestPriority(s, enabled),
  ran(sched, step) {
    const { s, threads } = sched;
    const record = sched.log + step * LOG_WORDS;
    const tid = s[record + L.tid];
    const addr = s[record + L.addr];
    const access = s[record + L.access];
    drawPriority(s, tid);
    for (let other = 0; other < threads; other++) {
      const t = thread(other);
      if (other === tid || s[t + T.status] === STATUS.done) continue;
      if (conflicts(addr, access, s[t + T.addr], pendingAccess(s, t))) drawPriority(s, other);
    }
  },
};

export function drawPriority(s: Int32Array, tid: number): void {
  s[thread(tid) + PRIORITY] = nextRandom(s) >>> 1;
}

/** The thread with the highest priority among those of a mask that is not empty. */
export function highestPriority(s: Int32Array, mask: number): number {
  let best = -1;
  let priority = -1;
  for (let m = mask; m !== 0; m &= m - 1) {
    const tid = 31 - Math.clz32(m & -m);
    const p = s[thread(tid) + PRIORITY];
    if (p <= priority) continue;
    best = tid;
    priority = p;
  }
  return best;
}
