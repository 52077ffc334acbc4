import { at } from '../memory/address.ts';
import type { CellFault } from '../results/types.ts';
import { rawLoad } from '../sync/atomics.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { HELD, heldAddr, heldMode, TASK, WAIT } from '../sync/task.ts';
import { CONTROL, PARK_FINISHED, PARK_TASK } from '../trace/park.ts';
import type { World } from '../world/world.ts';

export interface HangWatch {
  /** A thread that has reached no quiescent point for too long, or null. */
  check(now: number): CellFault | null;
  /** Whoever has not finished, when threads do not end; null when all have. */
  describe(): CellFault | null;
}

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));
const HELD_NAMES = Object.fromEntries(Object.entries(HELD).map(([name, mode]) => [mode, name]));

/**
 * Notices threads that make no progress and are in no deadlock that the oracle could name: a loop without an end, a lock whose holder
 * is dead. Progress is the serial that rises at each quiescent point; the supervisor's is its tick. Runs on the main thread, reads only.
 */
export function createHangWatch(world: World): HangWatch {
  const { mem, plan } = world;
  const serials = new Int32Array(world.threads).fill(-1);
  const since = new Float64Array(world.threads);
  const serialOf = (tid: number): number =>
    plan.threads[tid]?.role === 'supervisor'
      ? rawLoad(mem, at(world.control, CONTROL.tick))
      : rawLoad(mem, at(world.parkWords[tid]!, PARK_TASK.serial));
  const finished = (tid: number): boolean =>
    plan.threads[tid]?.role !== 'supervisor' && rawLoad(mem, world.parkWords[tid]!) === PARK_FINISHED;
  const fault = (tid: number): CellFault => ({
    kind: 'hang',
    thread: plan.threads[tid]!.name,
    message: `no progress: ${stateOf(world, tid)}`,
  });
  return {
    check(now) {
      for (let tid = 0; tid < world.threads; tid++) {
        const serial = serialOf(tid);
        if (serial !== serials[tid] || finished(tid) || isParked(world, tid)) {
          serials[tid] = serial;
          since[tid] = now;
        } else if (now - since[tid]! > plan.bounds.hangMs) return fault(tid);
      }
      return null;
    },
    describe() {
      for (let tid = 0; tid < world.threads; tid++)
        if (plan.threads[tid]?.role !== 'supervisor' && !finished(tid)) return fault(tid);
      return null;
    },
  };
}

const isParked = (world: World, tid: number): boolean => world.mem[world.taskAddr(tid) + TASK.waitKind] === WAIT.park;

/** What a thread waits for and holds, in words. */
export function stateOf(world: World, tid: number): string {
  const { mem } = world;
  const t = world.taskAddr(tid);
  const kind = mem[t + TASK.waitKind]!;
  const held: string[] = [];
  for (let i = 0; i < mem[t + TASK.heldCount]!; i++) {
    const word = mem[t + TASK.held + i]!;
    held.push(`${lockClassName(mem, heldAddr(word))}@${heldAddr(word)}:${HELD_NAMES[heldMode(word)]}`);
  }
  const waits = kind === WAIT.none ? 'runs' : `waits for ${WAIT_NAMES[kind]} at ${mem[t + TASK.waitAddr]}`;
  return `${waits}, holds ${held.length === 0 ? 'nothing' : held.join(', ')}`;
}

/** The state of every thread that has not finished, one line each: what a log needs to explain a hang. */
export const allStates = (world: World): string[] =>
  world.plan.threads
    .filter(({ tid }) => rawLoad(world.mem, world.parkWords[tid]!) !== PARK_FINISHED)
    .map(({ tid, name }) => `${name}: ${stateOf(world, tid)}`);
