import { ACCESS } from '../../sync/control.ts';
import { H, L, LOG_WORDS, type Sched } from '../control/sched.ts';
import { WordTable } from './word-table.ts';

/**
 * A hand-off: one thread touches an object, and the next that does something to it which does not commute is another. Named by the
 * object, and thread and operation on both sides, in one number below 2^53.
 */
export const handOff = (addr: number, fromOp: number, fromTid: number, toOp: number, toTid: number): number =>
  (((addr * 64 + fromOp) * 32 + fromTid) * 64 + toOp) * 32 + toTid;

/** Reads the hand-offs of a log, over and over, with tables that it keeps. */
export interface HandOffReader {
  /** Calls `each` for every hand-off in the log of `sched`, in order; one that happens twice is told twice. */
  read(sched: Sched, each: (pair: number) => void): void;
}

/** Of each word: the step that wrote it last, and the last that read it since, each + 1; 0 none. */
const E = { write: 0, read: 1 } as const;

export function createHandOffReader(): HandOffReader {
  const words = new WordTable(2);
  return {
    read({ s, log }, each) {
      const steps = s[H.steps];
      words.clear(steps);
      const { data } = words;
      for (let i = 0; i < steps; i++) {
        const at = log + i * LOG_WORDS;
        const access = s[at + L.access];
        if (access === ACCESS.local) continue;
        const addr = s[at + L.addr];
        const entry = words.entryOf(addr);
        // A write conflicts with the last read of the word if there is one since the last write, else with that.
        const from =
          access === ACCESS.write && data[entry + E.read] !== 0 ? data[entry + E.read] : data[entry + E.write];
        if (from !== 0) {
          const before = log + (from - 1) * LOG_WORDS;
          const [tid, fromTid] = [s[at + L.tid], s[before + L.tid]];
          if (fromTid !== tid) each(handOff(addr, s[before + L.op], fromTid, s[at + L.op], tid));
        }
        if (access === ACCESS.read) data[entry + E.read] = i + 1;
        else {
          data[entry + E.write] = i + 1;
          data[entry + E.read] = 0;
        }
      }
    },
  };
}
