import { at } from '../memory/address.ts';
import { pointWords } from '../report/point-words.ts';
import { type PointName, pointName } from '../trace/points.ts';
import { RECORD, readRecord, type TraceRecord } from '../trace/ring.ts';
import type { World } from '../world/world.ts';
import type { PostMortem } from './post-mortem.ts';

/** The points of one thread, the oldest first. */
export interface RingView {
  readonly tid: number;
  readonly name: string;
  /** Points that it ever passed; only the last of them are in the ring. */
  readonly written: number;
  readonly points: readonly {
    readonly timeMs: number;
    readonly op: number;
    readonly point: PointName;
    readonly args: readonly [number, number, number];
  }[];
}

/** What is in a thread's ring, the oldest first. A record that was being overwritten is left out. */
export function ringOf({ mem, f64, oracles, ringHead, ring }: World, tid: number): TraceRecord[] {
  const head = mem[ringHead(tid)]!;
  const records: TraceRecord[] = [];
  for (let seq = Math.max(0, head - oracles.ringMask - 1); seq < head; seq++) {
    const record = readRecord(mem, f64, at(ring(tid), (seq & oracles.ringMask) * RECORD.$words), tid);
    if (record.seq === seq) records.push(record);
  }
  return records;
}

/** The last `last` points of each thread, or of the one that is named. */
export const inspectRings = ({ world, dump }: PostMortem, last: number, thread?: string): RingView[] =>
  dump.plan.threads
    .filter(({ name }) => thread === undefined || name === thread)
    .map(({ tid, name }) => ({
      tid,
      name,
      written: world.mem[world.ringHead(tid)]!,
      points: ringOf(world, tid)
        .slice(-last)
        .map(({ timeMs, op, point, a, b, c }) => ({ timeMs, op, point: pointName(point), args: [a, b, c] as const })),
    }));

/** Times are microseconds after (+) or before the violation, as in its timeline. */
export function ringLines({ dump }: PostMortem, rings: readonly RingView[]): string[] {
  return rings.flatMap(({ name, written, points }) => [
    `${name}: ${written} points, the last ${points.length}`,
    ...points.map(({ timeMs, op, point, args }) => {
      const us = (timeMs - dump.violation.atMs) * 1000;
      return `  ${`${us > 0 ? '+' : ''}${us.toFixed(1)}`.padStart(12)} us  op ${String(op).padEnd(6)} ${pointWords(point, args)}`;
    }),
  ]);
}
