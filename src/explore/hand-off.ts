import { ACCESS } from '../sync/control.ts';
import { H, L, LOG_WORDS, type Sched } from './sched.ts';

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

export function createHandOffReader(): HandOffReader {
  /** By word: step that wrote it last, and the last that read it since; -1 none. */
  const lastWrite = new Map<number, number>();
  const lastRead = new Map<number, number>();
  return {
    read(sched, each) {
      const { s, log } = sched;
      lastWrite.clear();
      lastRead.clear();
      const tell = (from: number, at: number): void => {
        const before = log + from * LOG_WORDS;
        if (s[before + L.tid] === s[at + L.tid]) return;
        each(handOff(s[at + L.addr], s[before + L.op], s[before + L.tid], s[at + L.op], s[at + L.tid]));
      };
      for (let i = 0; i < s[H.steps]; i++) {
        const at = log + i * LOG_WORDS;
        const access = s[at + L.access];
        if (access === ACCESS.local) continue;
        const addr = s[at + L.addr];
        const write = lastWrite.get(addr);
        if (access === ACCESS.read) {
          if (write !== undefined) tell(write, at);
          lastRead.set(addr, i);
          continue;
        }
        // A write conflicts with the last read of the word if there is one since the last write, else with that.
        const before = lastRead.get(addr) ?? write;
        if (before !== undefined) tell(before, at);
        lastRead.delete(addr);
        lastWrite.set(addr, i);
      }
    },
  };
}
