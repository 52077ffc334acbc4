import { type Addr, at } from '../memory/address.ts';
import { rawLoad } from '../sync/atomics.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { HELD, heldAddr, heldMode, TASK, WAIT } from '../sync/task.ts';
import { PARK_FINISHED } from '../trace/park.ts';
import { pointName } from '../trace/points.ts';
import { RECORD, readRecord, type TraceRecord } from '../trace/ring.ts';
import type { World } from '../world/world.ts';

/** Points of each thread that a diagnosis shows. */
const POINTS = 5;

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));
const HELD_NAMES = Object.fromEntries(Object.entries(HELD).map(([name, mode]) => [mode, name]));
/** Sleeps at the address of a lock, which has a class. */
const LOCK_WAITS: readonly number[] = [WAIT.mutex, WAIT.spin, WAIT.rwsemRead, WAIT.rwsemWrite];

const unfinished = ({ plan, mem, parkWords }: World) =>
  plan.threads.filter(({ tid }) => rawLoad(mem, parkWords[tid]!) !== PARK_FINISHED);

/** The wait-for graph: of each thread that waits, for what, and who holds it. */
export function waitEdges(world: World): string[] {
  const { mem } = world;
  return unfinished(world).flatMap(({ tid, name }) => {
    const t = world.taskAddr(tid);
    const kind = mem[t + TASK.waitKind]!;
    if (kind === WAIT.none || kind === WAIT.park || kind === WAIT.idle) return [];
    const addr = mem[t + TASK.waitAddr]!;
    const what = LOCK_WAITS.includes(kind) ? `${lockClassName(mem, addr as Addr)}@${addr}` : `@${addr}`;
    const timed = mem[t + TASK.waitTimed] !== 0 ? ', for a time' : '';
    const holders = kind === WAIT.drain ? [nameOf(world, mem[t + TASK.waitArg]!)] : holdersOf(world, addr);
    return [`${name} -> ${what} (${WAIT_NAMES[kind]}${timed})${holders.length > 0 ? ` -> ${holders.join(', ')}` : ''}`];
  });
}

const nameOf = ({ plan }: World, tid: number): string => plan.threads[tid]?.name ?? `thread ${tid}`;

function holdersOf(world: World, addr: number): string[] {
  const { mem } = world;
  return world.plan.threads.flatMap(({ tid, name }) => {
    const t = world.taskAddr(tid);
    const words = Array.from({ length: mem[t + TASK.heldCount]! }, (_, i) => mem[t + TASK.held + i]!);
    return words.filter((word) => heldAddr(word) === addr).map((word) => `${name} (${HELD_NAMES[heldMode(word)]})`);
  });
}

/** The last points that each thread has passed, the latest last, with their arguments; `nowMs` is the cell's clock. */
export function lastPoints(world: World, nowMs: number): Record<string, string[]> {
  const { mem, f64, oracles } = world;
  const recordsOf = (tid: number): TraceRecord[] => {
    const head = mem[world.ringHead(tid)]!;
    const numbers = Array.from({ length: Math.min(POINTS, head) }, (_, i) => head - Math.min(POINTS, head) + i);
    return numbers
      .map((seq) => ({ seq, record: at(world.ring(tid), (seq & oracles.ringMask) * RECORD.$words) }))
      .map(({ seq, record }) => ({ seq, read: readRecord(mem, f64, record, tid) }))
      .filter(({ seq, read }) => read.seq === seq)
      .map(({ read }) => read);
  };
  const text = ({ point, a, b, c, op, timeMs }: TraceRecord): string =>
    `${pointName(point)} [${a}, ${b}, ${c}] op ${op}, ${(nowMs - timeMs).toFixed(1)} ms ago`;
  return Object.fromEntries(unfinished(world).map(({ tid, name }) => [name, recordsOf(tid).map(text)]));
}
