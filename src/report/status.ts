import type { CellProgress } from '../results/types.ts';
import { formatDuration } from '../scenario/duration.ts';
import { grouped, short } from './format.ts';

/** Where progress goes: stderr, or a double of it. */
export interface StatusStream {
  write(text: string): unknown;
  readonly columns?: number | undefined;
}

export interface StatusOptions {
  readonly stream: StatusStream;
  /** Repaint a block in place; otherwise heartbeat lines. */
  readonly live: boolean;
  /** Infinity: not known. */
  readonly cells: number;
  /** Milliseconds; injected so that tests need not wait. */
  readonly now: () => number;
}

/** What every progress has. */
export interface TimedProgress {
  readonly elapsedMs: number;
  readonly durationMs: number;
}

/** Progress of a run for people. */
export interface Status<P extends TimedProgress = CellProgress> {
  begin(index: number, name: string): void;
  progress(progress: P): void;
  /** Removes the block, so that something else can be written; the next progress paints it again. */
  clear(): void;
  end(): void;
}

const REPAINT_MS = 250;
/** Each heartbeat waits a tenth longer than the last: 10 s at first, about 90 lines in twelve hours. */
const FIRST_HEARTBEAT_MS = 10_000;
const HEARTBEAT_GROWTH = 1.1;

export function createStatus(options: StatusOptions): Status;
export function createStatus<P extends TimedProgress>(
  options: StatusOptions,
  lines: (progress: P) => readonly string[],
): Status<P>;
export function createStatus<P extends TimedProgress>(
  options: StatusOptions,
  linesOf?: (progress: P) => readonly string[],
): Status<P> {
  const lines = linesOf ?? (statusLines as unknown as (progress: P) => readonly string[]);
  const { stream, live, now } = options;
  const startedAt = now();
  let name = '';
  let index = 0;
  let painted = 0;
  let lastPaint = Number.NEGATIVE_INFINITY;
  let nextHeartbeat = FIRST_HEARTBEAT_MS;

  const clear = (): void => {
    // Up to the block's first line, then clear to the end of the screen.
    if (painted > 0) stream.write(`\u001b[${painted}A\r\u001b[J`);
    painted = 0;
  };
  const paint = (lines: readonly string[]): void => {
    const width = Math.max(20, (stream.columns ?? 80) - 1);
    const block = lines.map((line) => (line.length > width ? `${line.slice(0, width - 1)}~` : line));
    // One write, so that the block does not flicker.
    stream.write(`${painted > 0 ? `\u001b[${painted}A\r\u001b[J` : ''}${block.join('\n')}\n`);
    painted = block.length;
  };

  return {
    begin(cell, cellName) {
      index = cell;
      name = cellName;
      lastPaint = Number.NEGATIVE_INFINITY;
    },
    progress(progress) {
      const at = now();
      const place = `[${index + 1}${Number.isFinite(options.cells) ? `/${options.cells}` : ''}] ${name}`;
      if (live) {
        if (at - lastPaint < REPAINT_MS) return;
        lastPaint = at;
        paint([
          `${place}  ${formatDuration(progress.elapsedMs)} of ${formatDuration(progress.durationMs)}`,
          ...lines(progress),
        ]);
      } else if (at - startedAt >= nextHeartbeat) {
        const elapsed = at - startedAt;
        nextHeartbeat = Math.max(elapsed + FIRST_HEARTBEAT_MS, elapsed * HEARTBEAT_GROWTH);
        stream.write(`odptorture: ${formatDuration(elapsed)} ${place} ${lines(progress).join('; ')}\n`);
      }
    },
    clear,
    end: clear,
  };
}

function statusLines(progress: CellProgress): string[] {
  const seconds = Math.max(progress.elapsedMs, 1) / 1000;
  const sum = (counts: Readonly<Record<string, number>>): number => Object.values(counts).reduce((a, b) => a + b, 0);
  const rate = (operation: string): string => short((progress.operations[operation] ?? 0) / seconds);
  const violations = Object.entries(progress.violations).filter(([, n]) => n > 0);
  const exposures = `${grouped(sum(progress.exposures))} exposures`;
  const found = violations.map(([oracle, n]) => `${oracle} ${grouped(n)}`).join(', ');
  return [
    `faults ${rate('fault')}/s, sections ${rate('section')}/s, registrations ${rate('register')}/s`,
    found === '' ? `no violation in ${exposures} so far` : `${found} in ${exposures}`,
  ];
}
