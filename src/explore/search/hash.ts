import { ACCESS } from '../../sync/control.ts';
import { H, L, LOG_WORDS, MAX_THREADS, type Sched } from '../control/sched.ts';
import { mix32 } from './random-stream.ts';
import { WordTable } from './word-table.ts';

/** Of each word: the name of the last step that wrote it, 0 before. */
const lastWrites = new WordTable(1);
let eventNames = new Int32Array(0);
const counts = new Int32Array(MAX_THREADS);

const SEED_A = 0x1b873593;
const SEED_B = 0x52dce729;

/**
 * A hash of the execution that ran last, 53 bits wide: the same for two schedules when one becomes the other by swapping
 * neighbouring steps that commute (Mazurkiewicz), and different otherwise but for chance.
 *
 * Each step contributes what it is and what it follows: the last write to its word, and for a wake-up the step that caused it. That
 * a write follows the reads before it needs no saying: those reads name an earlier write. The contributions are added, so the order
 * of steps that commute leaves no trace. Allocates nothing, except when it meets a longer log than ever before.
 */
export function executionHash(sched: Sched): number {
  const { s, log } = sched;
  const steps = s[H.steps];
  prepare(sched);
  let a = 0;
  let b = 0;
  for (let i = 0; i < steps; i++) {
    const at = log + i * LOG_WORDS;
    const tid = s[at + L.tid];
    const access = s[at + L.access];
    const addr = access === ACCESS.local ? 0 : s[at + L.addr];
    // Never 0.
    const name = (counts[tid]++ + 1) * 32 + tid;
    eventNames[i] = name;
    let sumA =
      mix32(name ^ SEED_A) + Math.imul(s[at + L.op] * 4 + access, 0x9e3779b1) + Math.imul(addr + 1, 0x85ebca77);
    let sumB =
      mix32(name ^ SEED_B) + Math.imul(s[at + L.op] * 4 + access, 0xc2b2ae3d) + Math.imul(addr + 1, 0x27d4eb2f);
    if (s[at + L.cause] >= 0) {
      sumA += Math.imul(eventNames[s[at + L.cause]], 0x165667b1);
      sumB += Math.imul(eventNames[s[at + L.cause]], 0x2c1b3c6d);
    }
    if (access !== ACCESS.local) {
      const entry = lastWrites.entryOf(addr);
      const { data } = lastWrites;
      sumA += Math.imul(data[entry], 0x297a2d39);
      sumB += Math.imul(data[entry], 0x4cf5ad43);
      if (access === ACCESS.write) data[entry] = name;
    }
    a = (a + mix32(sumA)) | 0;
    b = (b + mix32(sumB ^ 0x7f4a7c15)) | 0;
  }
  return (mix32(b ^ steps) & 0x1f_ffff) * 0x1_0000_0000 + (mix32(a) >>> 0);
}

function prepare({ s, maxSteps }: Sched): void {
  const steps = s[H.steps];
  if (eventNames.length < steps) eventNames = new Int32Array(maxSteps);
  lastWrites.clear(steps);
  counts.fill(0);
}
