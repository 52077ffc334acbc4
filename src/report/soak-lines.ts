import { closeSync, existsSync, openSync, readSync } from 'node:fs';
import { readSegment, segmentNumbers } from '../results/race-segments.ts';
import type { ViolationRecord } from '../results/types.ts';
import { signatureOf } from '../torture/signatures.ts';

const CHUNK = 1 << 20;

/** Lines of a file of any size, without the line ends. A last line without its end is given too: it may be torn. None without a file. */
export function* linesOf(path: string): Generator<string> {
  if (existsSync(path)) yield* linesFrom(openSync(path, 'r'));
}

/** Lines of the race log, in order; also while it is written. */
function* raceLines(dir: string): Generator<string> {
  for (const n of segmentNumbers(dir)) {
    const fd = readSegment(dir, n);
    if (fd !== null) yield* linesFrom(fd);
  }
}

/** Lines of a file that is open, which is closed then. */
function* linesFrom(fd: number): Generator<string> {
  const decoder = new TextDecoder();
  const chunk = new Uint8Array(CHUNK);
  let rest = '';
  try {
    for (;;) {
      const n = readSync(fd, chunk, 0, CHUNK, null);
      if (n === 0) break;
      const lines = (rest + decoder.decode(chunk.subarray(0, n), { stream: true })).split('\n');
      rest = lines.pop()!;
      yield* lines;
    }
  } finally {
    closeSync(fd);
  }
  if (rest !== '') yield rest;
}

/** A line as JSON; null when it is none. */
export function jsonOf(line: string): unknown {
  try {
    return JSON.parse(line);
  } catch {
    return null;
  }
}

/** What the race log says of one signature. */
export interface LoggedSignature {
  readonly first: ViolationRecord;
  /** Its last record's running number in each cell (scenario, strategy, seed). */
  readonly nth: Map<string, number>;
  lastAtMs: number;
}

export interface RaceLogContents {
  readonly signatures: ReadonlyMap<string, LoggedSignature>;
  readonly records: number;
  /** Lines that are none. */
  readonly torn: number;
}

/**
 * Records by signature, in the order in which each was first seen. `whole`: every record is read whole for its signature, which a run
 * does not write; a soak does, and has too many.
 */
export function readRaces(dir: string, whole: boolean): RaceLogContents {
  const signatures = new Map<string, LoggedSignature>();
  let records = 0;
  let torn = 0;
  for (const line of raceLines(dir)) {
    const head = headOf(line);
    if (head === null) {
      torn++;
      continue;
    }
    const record = whole ? recordOf(line) : null;
    if (whole && record === null) {
      torn++;
      continue;
    }
    records++;
    const signature = record === null ? head.signature : signatureOf(record);
    const known = signatures.get(signature);
    if (known !== undefined) {
      known.nth.set(head.cell, Math.max(known.nth.get(head.cell) ?? 0, head.nth));
      known.lastAtMs = head.atMs;
      continue;
    }
    const first = record ?? recordOf(line);
    if (first === null) torn++;
    else signatures.set(signature, { first, nth: new Map([[head.cell, head.nth]]), lastAtMs: head.atMs });
  }
  return { signatures, records, torn };
}

/** A record's window is most of it, and only the first one of a signature is drawn: the rest is not parsed. */
const HEAD_LENGTH = 2000;
const TEXT = '"((?:[^"\\\\]|\\\\.)*)"';
const NUMBER = '(-?[\\d.e+-]+)';
/** First of a line: texts that could hold anything come later, and a quote within one is escaped. */
const member = (name: string, value: string): RegExp => new RegExp(`"${name}":${value}[,}]`);
const SIGNATURE = member('signature', TEXT);
const CELL = ['scenario', 'strategy'].map((name) => member(name, TEXT)).concat(member('seed', NUMBER));
const NTH = member('nth', NUMBER);
const AT = member('atMs', NUMBER);

function headOf(line: string): { signature: string; nth: number; cell: string; atMs: number } | null {
  if (!line.endsWith('}')) return null;
  const head = line.slice(0, HEAD_LENGTH);
  const [signature, nth, atMs, ...cell] = [SIGNATURE, NTH, AT, ...CELL].map((one) => one.exec(head)?.[1]);
  if (signature === undefined || nth === undefined || atMs === undefined || cell.includes(undefined)) return null;
  return {
    signature: JSON.parse(`"${signature}"`) as string,
    nth: Number(nth),
    cell: cell.map((text) => JSON.parse(`"${text}"`) as string).join(' '),
    atMs: Number(atMs),
  };
}

/** The record of a violation, as far as a timeline needs it; null when a line is none. */
export function recordOf(line: string): ViolationRecord | null {
  const record = jsonOf(line) as Partial<ViolationRecord> | null;
  const whole =
    record !== null && Array.isArray(record.window) && Array.isArray(record.names) && record.thread !== undefined;
  return whole ? (record as ViolationRecord) : null;
}
