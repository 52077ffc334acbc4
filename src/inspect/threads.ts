import type { Addr } from '../memory/address.ts';
import { wrapText } from '../report/format.ts';
import { pointWords } from '../report/point-words.ts';
import { rawLoad } from '../sync/atomics.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { TASK, WAIT } from '../sync/task.ts';
import { PARK_FINISHED, PARK_TASK } from '../trace/park.ts';
import { pointName } from '../trace/points.ts';
import type { TraceRecord } from '../trace/ring.ts';
import { beforeImage, holdsOf, type PostMortem } from './post-mortem.ts';
import { ringOf } from './rings.ts';

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));
/** Sleeps at an address that is a lock's, or is known by a lock's class. */
const LOCK_WAITS: readonly number[] = [WAIT.mutex, WAIT.spin, WAIT.rwsemRead, WAIT.rwsemWrite];

export interface ThreadView {
  readonly tid: number;
  readonly name: string;
  readonly role: string;
  readonly state: 'runs' | 'waits' | 'parked' | 'idle' | 'stalled' | 'finished';
  /** What it sleeps for; null: it does not. */
  readonly waitsFor: {
    readonly kind: string;
    readonly addr: number;
    readonly name: string;
    readonly class: string | null;
    /** Threads that could wake it, as far as that is written down: holders of the lock, the access that is drained. */
    readonly on: readonly string[];
    readonly timed: boolean;
  } | null;
  readonly holds: readonly { readonly addr: number; readonly name: string; readonly mode: string }[];
  /** Holds beyond those that are listed. */
  readonly moreHolds: number;
  readonly nonBlockable: boolean;
  /** The operation that it is in, or was in last; null: it has passed no point. */
  readonly op: { readonly number: number; readonly first: string; readonly firstAtMs: number } | null;
  readonly last: { readonly point: string; readonly atMs: number } | null;
}

export const inspectThreads = (p: PostMortem): ThreadView[] => p.dump.plan.threads.map(({ tid }) => threadView(p, tid));

function threadView(p: PostMortem, tid: number): ThreadView {
  const { world, dump, lockName } = p;
  const { mem } = world;
  const t = world.taskAddr(tid);
  const { name, role } = dump.plan.threads[tid]!;
  const ring = ringOf(world, tid);
  const last = ring.at(-1);
  const first = last === undefined ? undefined : ring.find(({ op }) => op === last.op);
  return {
    tid,
    name,
    role,
    state: stateOf(p, tid),
    waitsFor: waitOf(p, tid),
    holds: holdsOf(world, tid).map(({ addr, mode }) => ({ addr, name: lockName(addr), mode })),
    moreHolds: mem[t + TASK.heldOverflow]!,
    nonBlockable: mem[t + TASK.nonBlockable] !== 0,
    op: first === undefined ? null : { number: first.op, first: wordsOf(first), firstAtMs: first.timeMs },
    last: last === undefined ? null : { point: wordsOf(last), atMs: last.timeMs },
  };
}

const wordsOf = ({ point, a, b, c }: TraceRecord): string => pointWords(pointName(point), [a, b, c]);

function stateOf({ world }: PostMortem, tid: number): ThreadView['state'] {
  const { mem } = world;
  const park = world.parkWords[tid]!;
  if (rawLoad(mem, park) === PARK_FINISHED && world.plan.threads[tid]!.role !== 'supervisor') return 'finished';
  if (mem[park + PARK_TASK.stalled] !== 0) return 'stalled';
  switch (mem[world.taskAddr(tid) + TASK.waitKind]) {
    case WAIT.none:
      return 'runs';
    case WAIT.park:
      return 'parked';
    case WAIT.idle:
      return 'idle';
    default:
      return 'waits';
  }
}

function waitOf({ world, holders, lockName, threadName }: PostMortem, tid: number): ThreadView['waitsFor'] {
  const { mem } = world;
  const t = world.taskAddr(tid);
  const kind = mem[t + TASK.waitKind]!;
  if (kind === WAIT.none || kind === WAIT.park || kind === WAIT.idle) return null;
  const addr = mem[t + TASK.waitAddr]!;
  const on =
    kind === WAIT.drain
      ? [`the access of ${threadName(mem[t + TASK.waitArg]!)}`]
      : (holders.get(addr) ?? []).map((hold) => `${threadName(hold.tid)} (${hold.mode})`);
  return {
    kind: WAIT_NAMES[kind] ?? `wait ${kind}`,
    addr,
    name: lockName(addr),
    class: LOCK_WAITS.includes(kind) ? lockClassName(mem, addr as Addr) : null,
    on,
    timed: mem[t + TASK.waitTimed] !== 0,
  };
}

/** A paragraph for each thread: what it does, since when, what it holds. */
export function threadLines(p: PostMortem, threads: readonly ThreadView[], width: number): string[] {
  return threads.flatMap((thread) => {
    const [head = '', ...more] = wrapText(headOf(thread), width);
    const details = [...more, ...detailsOf(p, thread).flatMap((text) => wrapText(text, width - 6))];
    return [head, ...details.map((line) => `      ${line}`)];
  });
}

function headOf({ tid, name, state, waitsFor, nonBlockable }: ThreadView): string {
  const number = `[${tid}]`.padEnd(5);
  const atomic = nonBlockable ? '; must not block' : '';
  if (waitsFor === null) return `${number} ${name}: ${state}${atomic}`;
  const timed = waitsFor.timed ? ', for a time' : '';
  return `${number} ${name}: waits for ${waitsFor.name} (${waitsFor.kind}, @${waitsFor.addr})${timed}${onText(waitsFor)}${atomic}`;
}

/** A completion or a queue is held by nobody: any thread may be the one that wakes its sleepers. */
function onText({ class: cls, on }: ThreadView['waitsFor'] & {}): string {
  if (on.length > 0) return `, held by ${on.join(', ')}`;
  return cls === null ? '' : ', which nobody has published as held';
}

function detailsOf(p: PostMortem, { holds, moreHolds, op, last }: ThreadView): string[] {
  const lines: string[] = [];
  if (holds.length > 0 || moreHolds > 0) {
    const more = moreHolds > 0 ? [`and ${moreHolds} more`] : [];
    lines.push(`holds ${[...holds.map(({ name, mode }) => `${name} (${mode})`), ...more].join(', ')}`);
  }
  if (op !== null) lines.push(`op ${op.number} since ${op.first}, ${beforeImage(p, op.firstAtMs)}`);
  if (last !== null && last.point !== op?.first) lines.push(`last ${last.point}, ${beforeImage(p, last.atMs)}`);
  return lines;
}
