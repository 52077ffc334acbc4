import { Worker } from 'node:worker_threads';
import type { Host } from '../src/explore/control/host.ts';
import { H, L, LOG_WORDS } from '../src/explore/control/sched.ts';
import { createNovelty } from '../src/explore/search/novelty.ts';
import { createMix, createSampler } from '../src/explore/search/sampler.ts';
import { runStretch, type Search } from '../src/explore/search/search.ts';
import { openProgram } from '../test/programs/open.ts';

/** How often a search found its bug, and after how many schedules. */
export interface FirstBugs {
  readonly seeds: number;
  /** Schedules to the first bug, of the seeds that found it. */
  readonly found: readonly number[];
  /** Schedules of all seeds together. */
  readonly schedules: number;
  readonly perSecond: number;
}

export type Policy = 'random' | 'pct3' | 'pct5' | 'pct' | 'pos' | 'surw' | 'mix' | 'novelty';

export function searchOf(policy: Policy, seed: number): Search {
  switch (policy) {
    case 'pct3':
      return createSampler('pct', { seed, depth: 3 });
    case 'pct5':
      return createSampler('pct', { seed, depth: 5 });
    case 'mix':
      return createMix({ seed });
    case 'novelty':
      return createNovelty({ seed });
    default:
      return createSampler(policy, { seed });
  }
}

/** Seeds 1 .. `seeds`, each until its first bug or for `limit` schedules. */
export function firstBugs({ engine, subject }: Host, policy: Policy, seeds: number, limit: number): FirstBugs {
  const found: number[] = [];
  let schedules = 0;
  const start = performance.now();
  for (let seed = 1; seed <= seeds; seed++) {
    const stretch = runStretch(engine, subject, searchOf(policy, seed), {
      schedules: limit,
      until: Number.POSITIVE_INFINITY,
      stopAtFirst: true,
    });
    if (stretch.broken !== null) throw new Error(`${subject.name}, ${policy}, seed ${seed}: outcome ${stretch.broken}`);
    schedules += stretch.schedules;
    if (stretch.found.length > 0) found.push(stretch.found[0]!.schedules);
  }
  return { seeds, found, schedules, perSecond: (1000 * schedules) / (performance.now() - start) };
}

export async function withProgram<R>(url: string, name: string, use: (host: Host) => R): Promise<R> {
  const host = await openProgram(url, name);
  try {
    return use(host);
  } finally {
    await host.close();
  }
}

export interface Rate {
  readonly schedulesPerSecond: number;
  /** In a second of CPU time: what the core would do if nobody else wanted it. */
  readonly schedulesPerCpuSecond: number;
  readonly steps: number;
  /** Hand-overs of the token in one schedule, to and from the driver too. */
  readonly handOffs: number;
  /** CPU time. */
  readonly usPerHandOff: number;
}

/** Schedules a second; those that find something do not end it. */
export function rateOf({ engine }: Host, search: Search, ms: number): Rate {
  const { s, log } = engine.sched;
  let schedules = 0;
  let steps = 0;
  let handOffs = 0;
  const start = performance.now();
  const cpuStart = cpuUs();
  while (performance.now() - start < ms) {
    for (let i = 0; i < 16; i++) {
      search.learn(engine.sched, engine.run(search.next()!));
      schedules++;
      steps += s[H.steps];
      handOffs += 2;
      for (let at = log + LOG_WORDS; at < log + s[H.steps] * LOG_WORDS; at += LOG_WORDS) {
        if (s[at + L.tid] !== s[at - LOG_WORDS + L.tid]) handOffs++;
      }
    }
  }
  const spent = performance.now() - start;
  const cpu = cpuUs() - cpuStart;
  return {
    schedulesPerSecond: (1000 * schedules) / spent,
    schedulesPerCpuSecond: (1_000_000 * schedules) / cpu,
    steps: steps / schedules,
    handOffs: handOffs / schedules,
    usPerHandOff: cpu / handOffs,
  };
}

/** CPU time of all threads of this process, microseconds. */
function cpuUs(): number {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Microseconds of CPU time of one hand-off between two threads that do nothing else. */
export async function bareHandOff(rounds: number): Promise<number> {
  const buffer = new SharedArrayBuffer(128);
  const words = new Int32Array(buffer);
  const [first, second] = [0, 16];
  const worker = new Worker(new URL('./hand-off-worker.js', import.meta.url), { workerData: { buffer, rounds } });
  await new Promise((resolve) => worker.once('online', resolve));
  const warmUp = Math.floor(rounds / 10);
  let start = 0;
  for (let i = 0; i < rounds; i++) {
    if (i === warmUp) start = cpuUs();
    Atomics.store(words, second, 1);
    Atomics.notify(words, second, 1);
    while (Atomics.load(words, first) === 0) Atomics.wait(words, first, 0);
    Atomics.store(words, first, 0);
  }
  const us = (cpuUs() - start) / (2 * (rounds - warmUp));
  await worker.terminate();
  return us;
}

export interface Interval {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Mean with its 95 % interval by Student's t, of counts that begin at 1; the quantile is the usual expansion in 1 / df, good to a hundredth from 5 on. */
export function meanInterval(values: readonly number[]): Interval {
  const n = values.length;
  const mean = values.reduce((a, b) => a + b, 0) / n;
  if (n < 2) return { mean, low: Number.NaN, high: Number.NaN };
  const deviation = Math.sqrt(values.reduce((sum, x) => sum + (x - mean) ** 2, 0) / (n - 1));
  const df = n - 1;
  const t = 1.96 + 2.372 / df + 2.823 / df ** 2 + 2.556 / df ** 3;
  const half = (t * deviation) / Math.sqrt(n);
  return { mean, low: Math.max(1, mean - half), high: mean + half };
}
