import { at, type Memory } from '../memory/address.ts';
import type { CellFault } from '../results/types.ts';
import { rawLoad } from '../sync/atomics.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { HELD, heldAddr, heldMode, TASK, WAIT } from '../sync/task.ts';
import { CONTROL, PARK_FINISHED, PARK_TASK, WAITING_OP } from '../trace/park.ts';
import { isStalled, stallsSeen } from '../trace/stall.ts';
import type { World } from '../world/world.ts';

export interface HangWatch {
  /** A thread that is stuck, or null. `stopping`: the cell was told to end, so that nobody has a reason to wait any more. */
  check(stopping: boolean): CellFault | null;
  /** The first thread that has not finished, whatever it does. */
  anybody(): CellFault;
}

/** One look moves the watch's clock by at most this: after a time in which the whole process stood still, nobody is to blame. */
const LOOK_MAX_MS = 200;
/** While the supervisor's tick stands still the threads may not be running either, and the clock goes this much slower. */
const TICKLESS = 0.1;
/** A thread that waits, or that gives signs of life between two quiescent points, has this many times the bound. */
const PATIENCE = 12;

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));
const HELD_NAMES = Object.fromEntries(Object.entries(HELD).map(([name, mode]) => [mode, name]));

/** By tid: where a thread was at the last look, and the watch's time at which it last moved. */
interface Meters {
  readonly serial: Int32Array;
  readonly serialAt: Float64Array;
  readonly sign: Int32Array;
  readonly signAt: Float64Array;
}

/**
 * Notices threads that make no progress and are in no deadlock that the oracle could name: a loop without an end, a sleep from which
 * nobody wakes. Progress is the serial that rises at each quiescent point; the supervisor's is its tick. Runs on the main thread, reads only.
 *
 * A false alarm here condemns a cell in which nothing is wrong, so the doubt is the thread's:
 * - time is the watch's own, see `LOOK_MAX_MS` and `TICKLESS`;
 * - one that writes trace records or begins waits is slow, not stuck, for `PATIENCE` bounds;
 * - one that waits is a victim: whoever it waits for is found instead, or the deadlock oracle speaks;
 * - a registration or removal that waits may rightly do so as long as sections leave no gap: the starvation oracle judges that;
 * - while the scenario keeps a thread at a point (stall.ts), neither it nor anybody who waits is judged: who holds what the others
 *   wait for may be the one that stands still.
 */
export function createHangWatch(world: World): HangWatch {
  const { plan, threads } = world;
  const meters: Meters = {
    serial: new Int32Array(threads).fill(-1),
    serialAt: new Float64Array(threads),
    sign: new Int32Array(threads),
    signAt: new Float64Array(threads),
  };
  let clock = 0;
  let lastLook = performance.now();
  let lastTick = 0;
  let lastStalls = 0;
  return {
    check(stopping) {
      const now = performance.now();
      const tick = rawLoad(world.mem, at(world.control, CONTROL.tick));
      clock += Math.min(now - lastLook, LOOK_MAX_MS) * (tick === lastTick ? TICKLESS : 1);
      lastLook = now;
      lastTick = tick;
      const seen = stallsSeen(world.mem, world.control);
      const stalled = plan.stall !== undefined && (seen < 0 || seen !== lastStalls);
      lastStalls = seen;
      let victim = -1;
      for (let tid = 0; tid < threads; tid++) {
        if (moved(world, meters, tid, clock) || isExcused(world, tid, stopping)) continue;
        const waits = waitKind(world, tid) !== WAIT.none;
        if (stalled && (waits || isStalled(world.mem, world.parkWords[tid]!))) {
          meters.serialAt[tid] = clock;
          meters.signAt[tid] = clock;
          continue;
        }
        const bound = plan.bounds.hangMs * (waits && !stopping ? PATIENCE : 1);
        const still = clock - Math.max(meters.serialAt[tid]!, meters.signAt[tid]!);
        if (still <= bound && clock - meters.serialAt[tid]! <= plan.bounds.hangMs * PATIENCE) continue;
        if (!waits) return hangOf(world, tid);
        if (victim < 0) victim = tid;
      }
      return victim < 0 ? null : hangOf(world, victim);
    },
    anybody: () =>
      hangOf(
        world,
        Math.max(
          0,
          plan.threads.findIndex(({ tid }) => !hasFinished(world, tid)),
        ),
      ),
  };
}

const waitKind = (world: World, tid: number): number => world.mem[world.taskAddr(tid) + TASK.waitKind]!;
const isSupervisor = (world: World, tid: number): boolean => world.plan.threads[tid]?.role === 'supervisor';
/** The supervisor's word says so all the time: nobody waits for it to park. */
const hasFinished = (world: World, tid: number): boolean =>
  !isSupervisor(world, tid) && rawLoad(world.mem, world.parkWords[tid]!) === PARK_FINISHED;

/** Whether a thread has come to a quiescent point since the last look, is parked or has finished; notes lesser signs of life. */
function moved(world: World, meters: Meters, tid: number, clock: number): boolean {
  const { mem } = world;
  const serial = isSupervisor(world, tid)
    ? rawLoad(mem, at(world.control, CONTROL.tick))
    : rawLoad(mem, at(world.parkWords[tid]!, PARK_TASK.serial));
  const sign = (mem[world.ringHead(tid)]! + mem[world.taskAddr(tid) + TASK.waitEpoch]!) | 0;
  if (sign !== meters.sign[tid]) {
    meters.sign[tid] = sign;
    meters.signAt[tid] = clock;
  }
  if (serial === meters.serial[tid] && !hasFinished(world, tid) && waitKind(world, tid) !== WAIT.park) return false;
  meters.serial[tid] = serial;
  meters.serialAt[tid] = clock;
  return true;
}

function isExcused(world: World, tid: number, stopping: boolean): boolean {
  const underWay = world.mem[world.parkWords[tid]! + PARK_TASK.kind] !== WAITING_OP.none;
  return underWay && !stopping && waitKind(world, tid) !== WAIT.none;
}

const hangOf = (world: World, tid: number): CellFault => ({
  kind: 'hang',
  thread: world.plan.threads[tid]!.name,
  message: `no progress: ${stateOf(world, tid)}`,
});

/** Threads that have not come to the start barrier. */
export const missingAtStart = (world: World): string[] =>
  world.plan.threads
    .filter(({ tid }) => rawLoad(world.mem, at(world.parkWords[tid]!, PARK_TASK.serial)) === 0)
    .map(({ name }) => name);

/** What a thread waits for and holds, in words. */
export function stateOf(world: World, tid: number): string {
  const { mem } = world;
  const t = world.taskAddr(tid);
  const kind = mem[t + TASK.waitKind]!;
  const held: string[] = [];
  for (let i = 0; i < mem[t + TASK.heldCount]!; i++) {
    const word = mem[t + TASK.held + i]!;
    held.push(`${heldName(mem, word)}@${heldAddr(word)}:${HELD_NAMES[heldMode(word)]}`);
  }
  const waits = kind === WAIT.none ? 'runs' : `waits for ${WAIT_NAMES[kind]} at ${mem[t + TASK.waitAddr]}`;
  return `${waits}, holds ${held.length === 0 ? 'nothing' : held.join(', ')}`;
}

/** The count of an object's users is held as an SRCU is, and has no class. */
function heldName(mem: Memory, word: number): string {
  const name = lockClassName(mem, heldAddr(word));
  return heldMode(word) !== HELD.srcu || name.endsWith('_srcu') ? name : 'users';
}

/** The state of every thread that has not finished, one line each: what a log needs to explain a hang. */
export const allStates = (world: World): string[] =>
  world.plan.threads
    .filter(({ tid }) => rawLoad(world.mem, world.parkWords[tid]!) !== PARK_FINISHED)
    .map(({ tid, name }) => `${name}: ${stateOf(world, tid)}`);
