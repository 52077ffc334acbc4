import { CONTROL } from './control.ts';

/** Milliseconds for deadlines. Read on slow paths only: a clock read costs more than a lock. Stands still under control, where time-outs are choices. */
export const nowMs: () => number = CONTROL.current === null ? () => performance.now() : () => 0;
