import { openSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OdpError, systemReason } from '../scenario/errors.ts';
import type { RecordPosition } from './record-file.ts';

/**
 * Files of the race log. One that is complete is `races-<n>.ndjson`, and is not changed any more; the one that is being written is
 * `races-<n>.ndjson.open`, and stays so when its process is killed.
 */
const SEGMENT = /^races-(\d+)\.ndjson(\.open)?$/;

export const closedSegment = (dir: string, n: number): string => join(dir, `races-${n}.ndjson`);
export const openSegment = (dir: string, n: number): string => `${closedSegment(dir, n)}.open`;

/** Numbers of the segments that are there, in order. Empty without a folder. */
export function segmentNumbers(dir: string): number[] {
  const numbers = new Set<number>();
  for (const name of namesIn(dir)) {
    const n = SEGMENT.exec(name)?.[1];
    if (n !== undefined) numbers.add(Number(n));
  }
  return [...numbers].sort((a, b) => a - b);
}

/**
 * Paths of the segments that are there, in order, each once. Where both names stand (a copy that was taken while the one became the
 * other), the complete one is it.
 */
export const segmentPaths = (dir: string): string[] =>
  segmentNumbers(dir).map((n) => (sizeOf(closedSegment(dir, n)) < 0 ? openSegment(dir, n) : closedSegment(dir, n)));

/** Opens a segment for reading, whichever name it has at this moment: it may get its other one at any time. Null: it is gone. */
export function readSegment(dir: string, n: number): number | null {
  const [closed, open] = [closedSegment(dir, n), openSegment(dir, n)];
  // The first once more: it may have come about while the second was looked for.
  for (const path of [closed, open, closed]) {
    try {
      return openSync(path, 'r');
    } catch (error) {
      if (systemReason(error) !== 'ENOENT') throw error;
    }
  }
  return null;
}

/**
 * Cuts the segments back to where an earlier session had come to; the last of them is only prepared for it, and `RecordFile` cuts it.
 * It has its complete name if nothing was behind it, and is then left as it is. Each step may be the last one before a kill: the next
 * call goes on from any of them. Throws `ODP_E_RESUME` when the log has lost something.
 */
export function cutBackSegments(dir: string, { file, bytes }: RecordPosition): void {
  const [closed, open] = [closedSegment(dir, file), openSegment(dir, file)];
  const size = { closed: sizeOf(closed), open: sizeOf(open) };
  // Of one without a record, there may be no file.
  if (bytes > 0 && bytes > Math.max(size.closed, size.open)) throw lost(size.closed < 0 ? open : closed, bytes, size);
  // Renamed first and cut then: what has the complete name is never changed.
  if (size.closed > bytes) renameSync(closed, open);
  else if (size.closed === bytes) rmSync(open, { force: true });
  else rmSync(closed, { force: true });
  for (const n of segmentNumbers(dir)) {
    if (n <= file) continue;
    rmSync(closedSegment(dir, n), { force: true });
    rmSync(openSegment(dir, n), { force: true });
  }
}

function lost(at: string, bytes: number, size: { readonly closed: number; readonly open: number }): OdpError {
  const most = Math.max(size.closed, size.open);
  const message =
    most < 0
      ? 'the checkpoint counts on it, and it is gone'
      : `the checkpoint counts on ${bytes} bytes, and it has ${most}`;
  return new OdpError({ code: 'ODP_E_RESUME', message, at });
}

const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? -1;

function namesIn(dir: string): string[] {
  try {
    return readdirSync(dir);
  } catch (error) {
    if (systemReason(error) === 'ENOENT') return [];
    throw error;
  }
}
