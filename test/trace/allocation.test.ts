import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';
import type { RefaultConfig } from '../../bench/refault-world.ts';

const PROCESS = fileURLToPath(new URL('./allocation-process.js', import.meta.url));

/** A process of its own: what other tests have shown to V8 decides what it compiles, and how. */
async function perRefault(config: RefaultConfig): Promise<{ bytes: number; most: string }> {
  const { stdout } = await promisify(execFile)(process.execPath, [PROCESS, JSON.stringify(config)], {
    timeout: 60_000,
  });
  return JSON.parse(stdout) as { bytes: number; most: string };
}

// A lost object of two words would be 16 bytes. What is there is the profiler's own.
const NOTHING = 4;

describe('madvise and refault put nothing on the heap', () => {
  it.each([
    ['interval-notifier', 'none', 'off'],
    ['interval-notifier', 'oracles', 'off'],
    ['interval-notifier', 'oracles', 'counts'],
    ['context-count', 'oracles', 'off'],
    ['range-stack', 'oracles', 'off'],
    ['range-union', 'oracles', 'off'],
  ] as const)('%s, told to %s, lock statistics %s', async (strategy, observer, lockStat) => {
    const { bytes, most } = await perRefault({ strategy, observer, trace: false, threads: 1, lockStat });
    expect(bytes, `most of it in ${most}`).toBeLessThan(NOTHING);
  });
});
