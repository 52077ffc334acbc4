import { closeSync, openSync, readFileSync, renameSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { systemReason } from '../scenario/errors.ts';
import { type SeriesPoint, SOAK_FILES, seriesPointSchema } from './soak-types.ts';

export interface SeriesOptions {
  /** Folder of the soak. */
  readonly dir: string;
  /** Lines that the file holds at most. */
  readonly maxPoints: number;
  /** What `checkpoint` gave: goes on behind that point; later ones belong to a cell that was not finished. Absent: a new series. */
  readonly resumeFrom?: unknown;
  /** Told of the first point that could not be written, with the system's reason. The series goes on; the next point tries again. */
  readonly onLost?: (reason: string) => void;
}

export interface Series {
  /** Appends a point. One that is not later than the last is left out: time only goes on. */
  add(point: SeriesPoint): void;
  /** Where the series stands, for `resumeFrom`; JSON. */
  checkpoint(): unknown;
  close(): void;
}

const MIN_POINTS = 16;
/** The finest of the coarser resolutions; each one after it is twice the one before. Milliseconds. */
const FIRST_WIDTH_MS = 2000;

/**
 * Opens `series.ndjson`: a point a line, in order of time, at a size that does not grow with the length of the soak. The newest quarter
 * of `maxPoints` stands as it was added; what is older shares another half at the finest power of two of seconds that fits. Lines are
 * appended; the file is only written anew, beside itself and renamed, when it is full: a reader finds whole lines and at most a torn
 * last one.
 */
export function openSeries({ dir, maxPoints, resumeFrom, onLost }: SeriesOptions): Series {
  if (!(maxPoints >= MIN_POINTS)) throw new RangeError(`a series needs room for ${MIN_POINTS} points`);
  const path = join(dir, SOAK_FILES.series);
  let barrier = resumeFrom === undefined ? 0 : timeOf(resumeFrom);
  let points = resumeFrom === undefined ? [] : readSeries(dir).filter((point) => point.t <= barrier);
  let fd = -1;
  /** True when the file is not what `points` say: its last line may be torn. */
  let behind = true;
  let complained = false;

  const fit = (): void => {
    if (points.length >= maxPoints) points = coarser(points, maxPoints, barrier);
  };
  const attempt = (write: () => void): void => {
    try {
      write();
    } catch (error) {
      behind = true;
      if (!complained) onLost?.(systemReason(error));
      complained = true;
    }
  };
  const rewrite = (): void => {
    const temporary = `${path}.partial`;
    writeFileSync(temporary, points.map(lineOf).join(''));
    renameSync(temporary, path);
    if (fd >= 0) closeSync(fd);
    fd = -1;
    fd = openSync(path, 'a');
    behind = false;
  };

  fit();
  attempt(rewrite);
  return {
    add(point) {
      if (points.length > 0 && point.t <= points.at(-1)!.t) return;
      points.push(point);
      const before = points;
      fit();
      attempt(() => {
        if (behind || points !== before) rewrite();
        else append(fd, lineOf(point));
      });
    },
    checkpoint() {
      barrier = points.at(-1)?.t ?? 0;
      return { t: barrier };
    },
    close() {
      if (behind) attempt(rewrite);
      if (fd >= 0) closeSync(fd);
      fd = -1;
    },
  };
}

/** The series of a soak, running or not. What is no point is left out: a last line that is not whole yet, or was torn by a kill. */
export function readSeries(dir: string): SeriesPoint[] {
  let text: string;
  try {
    text = readFileSync(join(dir, SOAK_FILES.series), 'utf8');
  } catch (error) {
    if (systemReason(error) === 'ENOENT') return [];
    throw error;
  }
  const points: SeriesPoint[] = [];
  for (const line of text.split('\n')) {
    const point = pointOf(line);
    if (point !== null && point.t > (points.at(-1)?.t ?? -1)) points.push(point);
  }
  return points;
}

const lineOf = (point: SeriesPoint): string => `${JSON.stringify(point)}\n`;

function append(fd: number, line: string): void {
  const bytes = Buffer.from(line, 'utf8');
  if (writeSync(fd, bytes) < bytes.length) throw new Error('ENOSPC');
}

function pointOf(line: string): SeriesPoint | null {
  if (line === '') return null;
  try {
    return seriesPointSchema.safeParse(JSON.parse(line)).data ?? null;
  } catch {
    return null;
  }
}

function timeOf(checkpoint: unknown): number {
  const t = (checkpoint as { t?: unknown } | null)?.t;
  // A checkpoint of another version: all that is in the file is kept.
  return typeof t === 'number' ? t : Number.POSITIVE_INFINITY;
}

/** The same series in at most `most` points, as evenly as a power of two of seconds allows. */
export function thinned(points: readonly SeriesPoint[], most: number): readonly SeriesPoint[] {
  let thin = points;
  for (let width = FIRST_WIDTH_MS; thin.length > most; width *= 2) thin = mergeOld(points, width, 0);
  return thin;
}

/**
 * Halves the resolution of what is old, as often as it takes. Neighbours never become one across the last checkpoint: a resume
 * cuts there.
 */
function coarser(points: readonly SeriesPoint[], maxPoints: number, barrier: number): SeriesPoint[] {
  const old = points.length - Math.floor(maxPoints / 4);
  const room = Math.floor(maxPoints / 2);
  for (let width = FIRST_WIDTH_MS; ; width *= 2) {
    const merged = mergeOld(points.slice(0, old), width, barrier);
    if (merged.length <= room) return [...merged, ...points.slice(old)];
  }
}

/** Points of one stretch of `width` ms of the soak become one. */
function mergeOld(points: readonly SeriesPoint[], width: number, barrier: number): SeriesPoint[] {
  const together = (a: SeriesPoint, b: SeriesPoint): boolean =>
    Math.ceil(a.t / width) === Math.ceil(b.t / width) && a.t > barrier === b.t > barrier;
  const merged: SeriesPoint[] = [];
  // Where the last merged point began: a point speaks for the time since the one before.
  let from = 0;
  for (const point of points) {
    const last = merged.at(-1);
    if (last !== undefined && together(last, point)) merged[merged.length - 1] = mergeTwo(from, last, point);
    else {
      from = last?.t ?? 0;
      merged.push(point);
    }
  }
  return merged;
}

type Latency = NonNullable<SeriesPoint['latency']>;
type Quantiles = Latency['fault'];

/** Rates are averages over time, sums are the later ones, a quantile's tail, memory and stalls the worst. */
function mergeTwo(from: number, a: SeriesPoint, b: SeriesPoint): SeriesPoint {
  const spanA = a.t - from;
  const spanB = b.t - a.t;
  const average = (x: number, y: number): number => rounded((x * spanA + y * spanB) / (spanA + spanB));
  const quantiles = (x: Quantiles, y: Quantiles | undefined): Quantiles =>
    y === undefined ? x : { p50: average(x.p50, y.p50), p99: Math.max(x.p99, y.p99) };
  const latencies = (x: Latency, y: Latency): Latency => {
    const both = { ...y };
    for (const name of Object.keys(x) as (keyof Latency)[]) both[name] = quantiles(x[name]!, y[name]);
    return both;
  };
  return {
    ...b,
    rates: Object.fromEntries(
      [...new Set([...Object.keys(a.rates), ...Object.keys(b.rates)])].map((name) => [
        name,
        average(a.rates[name] ?? 0, b.rates[name] ?? 0),
      ]),
    ),
    latency: a.latency === null || b.latency === null ? (a.latency ?? b.latency) : latencies(a.latency, b.latency),
    rssMb: Math.max(a.rssMb, b.rssMb),
    heapMb: Math.max(a.heapMb, b.heapMb),
    eventLoopMaxMs: Math.max(a.eventLoopMaxMs, b.eventLoopMaxMs),
  };
}

/** Eight figures: an average has no more, and lines stay short. */
const rounded = (value: number): number => Number(value.toPrecision(8));
