/** Milliseconds for deadlines. Read on slow paths only: a clock read costs more than a lock. */
export const nowMs = (): number => performance.now();
