import type { Memory } from '../memory/address.ts';

/**
 * The least that a sleeping lock can do: 0 free, 1 held, 2 held and somebody may sleep. No holder published, no class, no fairness. It is what
 * others are compared with, so it is written with nothing but the language's Atomics, and no controlled run ever meets it.
 */
export function futexLock(mem: Memory, word: number): void {
  if (Atomics.compareExchange(mem, word, 0, 1) !== 0)
    while (Atomics.exchange(mem, word, 2) !== 0) Atomics.wait(mem, word, 2);
}

export function futexUnlock(mem: Memory, word: number): void {
  if (Atomics.exchange(mem, word, 0) === 2) Atomics.notify(mem, word, 1);
}
