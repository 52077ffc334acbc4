import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Figures of this process. */
export interface Meter {
  read(): { rssMb: number; heapMb: number };
  /** The longest time that the event loop was held up since the last call, milliseconds. */
  takeEventLoopMax(): number;
  close(): void;
}

const MIB = 1024 * 1024;

export function createMeter(): Meter {
  const delay = monitorEventLoopDelay({ resolution: 20 });
  delay.enable();
  return {
    read() {
      const { rss, heapUsed } = process.memoryUsage();
      return { rssMb: Math.round(rss / MIB), heapMb: Math.round(heapUsed / MIB) };
    },
    takeEventLoopMax() {
      // NaN or 0 before the first sample.
      const ms = delay.max > 0 ? delay.max / 1e6 : 0;
      delay.reset();
      return Math.round(ms * 10) / 10;
    },
    close: () => delay.disable(),
  };
}
