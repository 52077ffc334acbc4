import type { Addr, Memory } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { add, cpuRelax, load, wait } from './atomics.ts';
import { CONTROL } from './control.ts';
import { clearWait, publishWait, type Task, WAIT } from './task.ts';

/** `seq` is odd while a writer is inside. */
export const SEQ_COUNT = defineStruct('seq_count', { seq: 1, cls: 1 });

/** A reader that has spun in vain sleeps this long: the writer is not running, and does not know of its readers. */
const SLEEP_MS = 0.05;

export function seqCountInit(mem: Memory, s: Addr, cls = 0): void {
  mem[s + SEQ_COUNT.seq] = 0;
  mem[s + SEQ_COUNT.cls] = cls;
}

/**
 * `read_seqcount_begin`: waits until no writer is inside. Read the protected words with `load`: a plain read may be ordered
 * after the load in `readSeqRetry` by a weakly ordered machine, and a mixed snapshot would pass.
 */
export function readSeqBegin(task: Task, s: Addr): number {
  const seq = load(task, s);
  return (seq & 1) === 0 ? seq : waitForWriter(task, s);
}

/** `read_seqcount_retry`: true when what was read since `readSeqBegin` may be mixed. */
export const readSeqRetry = (task: Task, s: Addr, seq: number): boolean => load(task, s) !== seq;

/** `write_seqcount_begin`. The caller keeps other writers out, and writes the protected words with `store`. */
export function writeSeqBegin(task: Task, s: Addr): void {
  add(task, s, 1);
}

/** `write_seqcount_end`. */
export function writeSeqEnd(task: Task, s: Addr): void {
  add(task, s, 1);
}

const control = CONTROL.current;

function waitForWriter(task: Task, s: Addr): number {
  for (let i = 0; ; i++) {
    const seq = load(task, s);
    if ((seq & 1) === 0) return seq;
    if (control !== null) control.until(task, s, seq, false);
    else if (i < task.spins) cpuRelax();
    else {
      publishWait(task, WAIT.spin, s, s, true);
      wait(task, s, seq, SLEEP_MS);
      clearWait(task);
    }
  }
}
