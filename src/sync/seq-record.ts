import type { Addr, Memory } from '../memory/address.ts';
import { load, rawLoad, rawStore, store } from './atomics.ts';
import { readSeqBegin, readSeqRetry, SEQ_COUNT, seqCountInit, writeSeqBegin, writeSeqEnd } from './seq-count.ts';
import type { Task } from './task.ts';

/** Versions that are kept: a reader that is overtaken by more than these is not checked. */
const VERSIONS = 8;
const DATA = SEQ_COUNT.$words;

/** Words of a sequence-counted record of `n` words: the count, the words, then what each of the last writes has written. */
export const seqRecordWords = (n: number): number => DATA + n + VERSIONS * (n + 1);

const versionAddr = (r: Addr, n: number, seq: number): number => r + DATA + n + ((seq >>> 1) % VERSIONS) * (n + 1);

/** A record of zeroes, for `n` words. */
export function seqRecordInit(mem: Memory, r: Addr, n: number, cls = 0): void {
  for (let i = 0; i < seqRecordWords(n); i++) mem[r + i] = 0;
  seqCountInit(mem, r, cls);
}

/** One write section: all `n` words. The caller keeps other writers out. */
export function seqWrite(task: Task, r: Addr, n: number, values: ArrayLike<number>): void {
  const { mem } = task;
  writeSeqBegin(task, r);
  const seq = (rawLoad(mem, r) + 1) | 0;
  const version = versionAddr(r, n, seq);
  // What a reader will compare with is of the write's own making, and no step. -1 first: it is not whole until its number is there.
  rawStore(mem, version as Addr, -1);
  for (let i = 0; i < n; i++) rawStore(mem, (version + 1 + i) as Addr, values[i]);
  rawStore(mem, version as Addr, seq);
  for (let i = 0; i < n; i++) store(task, (r + DATA + i) as Addr, values[i]);
  writeSeqEnd(task, r);
}

/**
 * A read section that checks what it has accepted: reads the `n` words until the count says that they belong together, then compares
 * them with what the write of that number has written. False: they are of two writes, which no sequence count that is kept right lets
 * happen. True also when so many writes came meanwhile that there is nothing left to compare with.
 */
export function seqReadChecked(task: Task, r: Addr, n: number, to: Int32Array): boolean {
  let seq: number;
  do {
    seq = readSeqBegin(task, r);
    for (let i = 0; i < n; i++) to[i] = load(task, (r + DATA + i) as Addr);
  } while (readSeqRetry(task, r, seq));
  return seqIsWhole(task.mem, r, n, seq, to);
}

/** Whether `words` are what write `seq` has written: for read sections that are written out. */
export function seqIsWhole(mem: Memory, r: Addr, n: number, seq: number, words: ArrayLike<number>): boolean {
  const version = versionAddr(r, n, seq) as Addr;
  if (rawLoad(mem, version) !== seq) return true;
  let whole = true;
  for (let i = 0; i < n; i++) if (rawLoad(mem, (version + 1 + i) as Addr) !== words[i]) whole = false;
  // Written over meanwhile: nothing was compared.
  return whole || rawLoad(mem, version) !== seq;
}

/** Address of the record's i-th word. */
export const seqWordAddr = (r: Addr, i: number): Addr => (r + DATA + i) as Addr;
