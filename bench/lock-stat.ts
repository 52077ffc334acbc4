import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import type { Estimate } from '../src/bench/stats.ts';
import { inlineMore } from '../src/cli/inlining.ts';
import { table } from '../src/report/format.ts';
import { LOCK_STAT_LEVELS, type LockStatLevel } from '../src/trace/lock-stat.ts';
import { wholeOf } from './arguments.ts';
import { madeBy, writeSection } from './doc-section.ts';
import { type Generations, medianOver, orderOf, ratioCells, ratioOver } from './level-ratios.ts';
import { type LockStatTask, PAIRS } from './lock-stat-worker.ts';
import { loadWords, machineWords } from './machine.ts';
import { openRefaultWorld, type RefaultConfig } from './refault-world.ts';

export interface LockStatOptions {
  /** How often all threads are new ones. */
  readonly generations: number;
  /** How often all levels are measured, in turn, in each generation. */
  readonly rounds: number;
  /** For each case of a pair, and for the mix, in each round, milliseconds. */
  readonly pairMs: number;
  readonly mixMs: number;
  /** Refaults of each thread before the first round, until its code is what it will be (default 50,000). */
  readonly warmUp?: number;
}

const MIX_THREADS = 2;
/** Until V8 has compiled the pairs. */
const WARM_UP_ROUNDS = 3;
const ROUND_TIMEOUT_MS = 60_000;

/** What one level costs, over the generations. */
export interface LevelRow {
  readonly name: string;
  readonly level: LockStatLevel;
  /** Nanoseconds: of a pair, or of a refault of the mix. */
  readonly value: number;
  /** To the inline futex pair of the same thread and round; null for the mix. */
  readonly futex: Estimate | null;
  /** To the level `off` of the same round. */
  readonly off: Estimate;
}

/**
 * What the levels of lock statistics cost: uncontended pairs, each level on a thread of its own, as a cell's threads know one level; and a mix of
 * two threads that refault the same pages. In each round every level has its turn, in another order each time.
 */
export async function lockStatBench(options: LockStatOptions): Promise<LevelRow[]> {
  const generations: Round[][] = [];
  for (let n = 0; n < options.generations; n++) generations.push(await generation(n, options));
  return [...PAIRS.flatMap((name, pair) => pairRows(name, pair, generations)), ...mixRows(generations)];
}

async function generation(nth: number, options: LockStatOptions): Promise<Round[]> {
  const levels = LOCK_STAT_LEVELS.map(openLevel);
  try {
    for (const { mix } of levels) await warmUp(mix, options);
    const rounds: Round[] = [];
    for (let n = 0; n < WARM_UP_ROUNDS; n++) await runRound(levels, n, options);
    for (let n = 0; n < options.rounds; n++) rounds.push(await runRound(levels, nth * options.rounds + n, options));
    return rounds;
  } finally {
    await Promise.all(levels.flatMap(({ pairs, mix }) => [pairs, ...mix].map((worker) => worker.terminate())));
  }
}

interface Level {
  readonly pairs: Worker;
  readonly mix: readonly Worker[];
}

function openLevel(lockStat: LockStatLevel): Level {
  const config: RefaultConfig = {
    strategy: 'interval-notifier',
    observer: 'oracles',
    trace: true,
    threads: MIX_THREADS,
    lockStat,
  };
  const start = (what: LockStatTask['what'], tid: number): Worker => {
    const workerData: LockStatTask = { what, config, buffer: world.mem.buffer, tid, key };
    return new Worker(new URL('./lock-stat-worker.js', import.meta.url), { workerData });
  };
  const { world, key } = openRefaultWorld(config);
  return { pairs: start('pairs', 0), mix: Array.from({ length: MIX_THREADS }, (_, tid) => start('mix', tid)) };
}

/** One level in one round, nanoseconds: of the references and pairs; of a refault on the clock and on the processors. */
interface Turn {
  readonly pairs: readonly number[];
  readonly mix: readonly [clock: number, cpu: number];
}
/** By level. */
type Round = readonly Turn[];

async function runRound(levels: readonly Level[], n: number, { pairMs, mixMs }: LockStatOptions): Promise<Round> {
  const round: Turn[] = [];
  for (const index of orderOf(n, levels.length)) {
    const { pairs, mix } = levels[index]!;
    const ns = await ask(pairs, pairMs);
    const before = process.cpuUsage();
    const counts = await Promise.all(mix.map((worker) => ask(worker, mixMs)));
    // Of the whole process, in which nobody else has anything to do: it leaves out what other processes take from the threads.
    const { user, system } = process.cpuUsage(before);
    const perMs = counts.reduce((sum, [done, ms]) => sum + done! / ms!, 0);
    const refaults = counts.reduce((sum, [done]) => sum + done!, 0);
    round[index] = { pairs: ns, mix: [1e6 / perMs, ((user + system) * 1000) / refaults] };
  }
  return round;
}

async function warmUp(mix: readonly Worker[], { mixMs, warmUp = 50_000 }: LockStatOptions): Promise<void> {
  for (let done = 0; done < warmUp * mix.length; ) {
    const counts = await Promise.all(mix.map((worker) => ask(worker, mixMs)));
    done += counts.reduce((sum, [refaults]) => sum + refaults!, 0);
  }
}

async function ask(worker: Worker, ms: number): Promise<number[]> {
  const answer = once(worker, 'message', { signal: AbortSignal.timeout(ROUND_TIMEOUT_MS) });
  worker.postMessage(ms);
  const [figures] = await answer;
  return figures;
}

const REFERENCES = 2;

const pairRows = (name: string, pair: number, generations: Generations<Round>): LevelRow[] =>
  LOCK_STAT_LEVELS.map((level, l) => {
    const own = (turn: Turn): number => turn.pairs[REFERENCES + pair]!;
    const toFutex = (turn: Turn): number => own(turn) / turn.pairs[0]!;
    return {
      name,
      level,
      value: medianOver(generations, (round) => own(round[l]!)),
      futex: ratioOver(generations, (round) => toFutex(round[l]!)),
      off: ratioOver(generations, (round) => toFutex(round[l]!) / toFutex(round[0]!)),
    };
  });

const mixRows = (generations: Generations<Round>): LevelRow[] =>
  ['time for each', 'processor time for each'].flatMap((figure, f) =>
    LOCK_STAT_LEVELS.map((level, l) => ({
      name: `refaults of ${MIX_THREADS} threads, ${figure}`,
      level,
      value: medianOver(generations, (round) => round[l]!.mix[f]!),
      futex: null,
      off: ratioOver(generations, (round) => round[l]!.mix[f]! / round[0]!.mix[f]!),
    })),
  );

/** Rows as aligned columns. */
export function lockStatTable(rows: readonly LevelRow[]): string {
  const ratio = (of: Estimate | null): [string, string] => (of === null ? ['', ''] : ratioCells(of));
  const { header, lines } = table(
    [
      ...[{ title: 'operation' }, { title: 'level' }],
      ...['ns', 'x futex', '95 %', 'x off', '95 %'].map((title) => ({ title, right: true })),
    ],
    rows.map(({ name, level, value, futex, off }) => [
      ...[name, level, value.toFixed(value < 1000 ? 2 : 0)],
      ...[...ratio(futex), ...ratio(off)],
    ]),
  );
  return [header, ...lines].join('\n');
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  inlineMore();
  const { values } = parseArgs({
    options: {
      generations: { type: 'string', default: '12' },
      rounds: { type: 'string', default: '12' },
      out: { type: 'string' },
    },
  });
  const generations = wholeOf('--generations', values.generations);
  const rounds = wholeOf('--rounds', values.rounds);
  const where = `${machineWords()}, ${loadWords()}`;
  const rows = await lockStatBench({ generations, rounds, pairMs: 5, mixMs: 60 });
  const how = `${where}; ${generations} generations of threads, ${rounds} rounds each.`;
  writeSection(values.out, 'lock-stat', madeBy('lock-stat', how, lockStatTable(rows)));
}
