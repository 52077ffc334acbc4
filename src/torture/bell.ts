import type { Addr, Memory } from '../memory/address.ts';
import { rawLoad, rawNotify } from '../sync/atomics.ts';

/** Rings on a thread that must not block when another one has added to a word and notified it. */
export interface Bell {
  /** What is in the memory is looked at from here on: whatever was added before rings no more. */
  look(): void;
  /** Something was added since the last look. */
  isRung(): boolean;
  /** `ring` is called, once, when something was added since the last look; in place of what an earlier call has given. */
  listen(ring: () => void): void;
  /** Nobody listens any more. */
  close(): void;
}

type WaitAsync = typeof Atomics.waitAsync;

/**
 * A bell on a word, by `Atomics.waitAsync`. Where the engine has none it never rings. A waiter does not keep the process alive, but it
 * stays in the engine's list, with its memory, until it is notified: there is one at a time, and `close` notifies it.
 */
export function createBell(mem: Memory, word: Addr, waitAsync: WaitAsync | undefined = Atomics.waitAsync): Bell {
  let seen = rawLoad(mem, word);
  let isWaiting = false;
  let ring: (() => void) | null = null;
  const rung = (): void => {
    const listener = ring;
    ring = null;
    listener?.();
  };
  return {
    look() {
      seen = rawLoad(mem, word);
    },
    isRung: () => rawLoad(mem, word) !== seen,
    listen(listener) {
      ring = listener;
      if (isWaiting || waitAsync === undefined) return;
      const waiter = waitAsync(mem, word, seen);
      if (!waiter.async) {
        // It was added to between the look and now. Not at once: timers and threads that end want their turn, too.
        setImmediate(rung);
        return;
      }
      isWaiting = true;
      void waiter.value.then(() => {
        isWaiting = false;
        rung();
      });
    },
    close() {
      ring = null;
      if (isWaiting) rawNotify(mem, word, Number.POSITIVE_INFINITY);
    },
  };
}
