import type { Addr, Memory } from '../memory/address.ts';
import type { AtomicTable } from './atomics.ts';
import { HELD, type HeldMode, noteSleep, type Task, WAIT, type WaitKind } from './task.ts';

/**
 * How a step touches its object, which decides what commutes: two reads of one object do, anything else on it does not; a `local`
 * step touches no object.
 */
export const ACCESS = { local: 0, read: 1, write: 2 } as const;
export type Access = (typeof ACCESS)[keyof typeof ACCESS];

interface OpInfo {
  /** As timelines call it: the kernel's or the JS standard's name. */
  readonly name: string;
  readonly access: Access;
  /** What it does to the lock at its address: a blocking acquisition that waits until it is free, or a release. */
  readonly lock?: 'acquire' | 'release';
}

/** Every step that a controlled run schedules. Append only: replay files name steps by these names. */
const OP_TABLE = {
  /** The part of a thread before its first step. */
  start: { name: 'start', access: ACCESS.local },
  load: { name: 'load', access: ACCESS.read },
  store: { name: 'store', access: ACCESS.write },
  add: { name: 'add', access: ACCESS.write },
  or: { name: 'or', access: ACCESS.write },
  and: { name: 'and', access: ACCESS.write },
  exchange: { name: 'exchange', access: ACCESS.write },
  compareExchange: { name: 'compareExchange', access: ACCESS.write },
  /** Compares, then is queued or returns. */
  wait: { name: 'wait', access: ACCESS.write },
  /** Goes on after a notify, or after a time-out. */
  resume: { name: 'resume', access: ACCESS.write },
  notify: { name: 'notify', access: ACCESS.write },
  /** Waits until a word has another value than the one seen. */
  until: { name: 'until', access: ACCESS.read },
  /** A spin loop's hint: waits until one of the words read last was written. */
  relax: { name: 'relax', access: ACCESS.local },
  mutexLock: { name: 'mutex_lock', access: ACCESS.write, lock: 'acquire' },
  mutexTrylock: { name: 'mutex_trylock', access: ACCESS.write },
  mutexUnlock: { name: 'mutex_unlock', access: ACCESS.write, lock: 'release' },
  spinLock: { name: 'spin_lock', access: ACCESS.write, lock: 'acquire' },
  spinTrylock: { name: 'spin_trylock', access: ACCESS.write },
  spinUnlock: { name: 'spin_unlock', access: ACCESS.write, lock: 'release' },
  downRead: { name: 'down_read', access: ACCESS.read, lock: 'acquire' },
  downReadTrylock: { name: 'down_read_trylock', access: ACCESS.read },
  upRead: { name: 'up_read', access: ACCESS.read, lock: 'release' },
  downWrite: { name: 'down_write', access: ACCESS.write, lock: 'acquire' },
  downWriteTrylock: { name: 'down_write_trylock', access: ACCESS.write },
  upWrite: { name: 'up_write', access: ACCESS.write, lock: 'release' },
  downgradeWrite: { name: 'downgrade_write', access: ACCESS.write, lock: 'release' },
  /** A writer that finds readers inside joins the queue: from then on it keeps new readers out. */
  queueWrite: { name: 'down_write (queued)', access: ACCESS.write },
  waitForCompletion: { name: 'wait_for_completion', access: ACCESS.write },
  complete: { name: 'complete', access: ACCESS.write },
} as const satisfies Record<string, OpInfo>;
export type OpName = keyof typeof OP_TABLE;

export const OP_NAMES = Object.keys(OP_TABLE) as OpName[];
export const OP = Object.freeze(Object.fromEntries(OP_NAMES.map((name, i) => [name, i]))) as {
  readonly [N in OpName]: number;
};
export const OP_INFO: readonly OpInfo[] = OP_NAMES.map((name) => OP_TABLE[name]);

/** What decides when a step of a thread may happen. Absent in free runs. */
export interface Control {
  /** `lock`: each function of a lock is one step. `atomic`: only single atomic operations are, also inside of locks. */
  readonly granularity: 'lock' | 'atomic';
  /**
   * Called before a step; returns when it is this thread's turn, with the step possible (a lock free). False: it is part of a
   * step that has begun, and no `end` follows. Throws to unwind a thread whose schedule is given up.
   */
  begin(task: Task, op: number, a: Addr, arg: number): boolean;
  /** The step has happened; `wrote` false: it turned out to have changed nothing. */
  end(task: Task, value: number, wrote: boolean): void;
  wait(task: Task, a: Addr, expected: number, timed: boolean): 'ok' | 'not-equal' | 'timed-out';
  notify(task: Task, a: Addr, count: number): number;
  /** Returns true when the word at `a` no longer holds `seen`, false when a timed wait ends without. */
  until(task: Task, a: Addr, seen: number, timed: boolean): boolean;
  relax(task: Task): void;
  /** What stands for `Atomics` in this thread; its memory may be watched for data races, and is then no real array. */
  readonly atomics?: AtomicTable;
  /** A plain read of watched memory that is racy on purpose. */
  dataRace?(mem: Memory, a: Addr): number;
  /** Such a write. */
  dataRaceStore?(mem: Memory, a: Addr, v: number): void;
}

/** Where another copy of this package in the same thread finds the control. The number rises when `Control` changes. */
const SHARED: unique symbol = Symbol.for('odptorture.control/1');

let installed: Control | null = null;
let asked = false;

/**
 * Puts a thread under control. Before any other module of sync/ is loaded: they choose their functions once, when they are, so
 * that a free run pays nothing for this.
 */
export function installControl(control: Control): void {
  if (asked) throw new Error('a thread is put under control before its locks are loaded');
  installed = control;
  (globalThis as { [SHARED]?: Control })[SHARED] = control;
}

function ask(): Control | null {
  asked = true;
  return installed ?? (globalThis as { [SHARED]?: Control })[SHARED] ?? null;
}

/** This thread's control, for its whole life. */
export const CONTROL: { readonly current: Control | null } = {
  get current() {
    return ask();
  },
};

/** Acquisitions that may sleep (might_sleep). A controlled thread never gets to the slow path, so it is asked on the way in. */
const SLEEPS: Readonly<Record<number, WaitKind>> = {
  [OP.mutexLock]: WAIT.mutex,
  [OP.downRead]: WAIT.rwsemRead,
  [OP.downWrite]: WAIT.rwsemWrite,
};

type Fn1<R> = (task: Task, a: Addr) => R;
type Fn2<R> = (task: Task, a: Addr, v: number) => R;
type Fn3<R> = (task: Task, a: Addr, expected: number, v: number) => R;

const asNumber = (value: unknown): number => (typeof value === 'number' ? value : value === true ? 1 : 0);

/** Makes an atomic operation on (task, address) a step. */
export function atomicStep1<R>(op: number, fn: Fn1<R>): Fn1<R> {
  const control = CONTROL.current;
  if (control === null) return fn;
  return (task, a) => {
    if (!control.begin(task, op, a, 0)) return fn(task, a);
    const value = fn(task, a);
    control.end(task, asNumber(value), OP_INFO[op].access === ACCESS.write);
    return value;
  };
}

/** As `atomicStep1`, with an operand. The value of a step without a result is what it wrote. */
export function atomicStep2<R>(op: number, fn: Fn2<R>): Fn2<R> {
  const control = CONTROL.current;
  if (control === null) return fn;
  return (task, a, v) => {
    if (!control.begin(task, op, a, v)) return fn(task, a, v);
    const value = fn(task, a, v);
    control.end(task, typeof value === 'number' ? value : v, true);
    return value;
  };
}

/** compareExchange: one that fails has only read. */
export function atomicStep3(op: number, fn: Fn3<number>): Fn3<number> {
  const control = CONTROL.current;
  if (control === null) return fn;
  return (task, a, expected, v) => {
    if (!control.begin(task, op, a, v)) return fn(task, a, expected, v);
    const value = fn(task, a, expected, v);
    control.end(task, value, value === expected);
    return value;
  };
}

/** How an operation that may have to wait for a lock then holds it. */
const ACQUIRED_AS: ReadonlyMap<number, HeldMode> = new Map([
  [OP.mutexLock, HELD.mutex],
  [OP.spinLock, HELD.spin],
  [OP.downRead, HELD.read],
  [OP.downWrite, HELD.write],
]);

/** Makes a function of a lock one step, with `--granularity lock`; a trylock that fails has only read. */
export function lockStep<R>(op: number, fn: Fn1<R>): Fn1<R> {
  const control = CONTROL.current;
  if (control === null || control.granularity === 'atomic') return fn;
  const mode = ACQUIRED_AS.get(op);
  const sleeps = SLEEPS[op] ?? WAIT.none;
  return (task, a) => {
    if (sleeps !== WAIT.none) noteSleep(task, sleeps, a);
    // Before the step: it is not possible while another holds the lock, and perhaps never again.
    if (mode !== undefined && task.lockDep !== null) task.lockDep.acquiring(task, a, mode);
    if (!control.begin(task, op, a, 0)) return fn(task, a);
    const value = fn(task, a);
    control.end(task, asNumber(value), OP_INFO[op].access === ACCESS.write && (value as unknown) !== false);
    return value;
  };
}
