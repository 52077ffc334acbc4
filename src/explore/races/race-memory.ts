import type { Memory } from '../../memory/address.ts';
import type { AtomicTable } from '../../sync/atomics.ts';
import { KIND } from './race-words.ts';
import { RAW, type RaceDetector } from './races.ts';

/** `Atomics` as it was before anybody put something in its place: see program-guard.ts. */
const {
  load: nativeLoad,
  store: nativeStore,
  add: nativeAdd,
  or: nativeOr,
  and: nativeAnd,
  exchange: nativeExchange,
  compareExchange: nativeCompareExchange,
  wait: nativeWait,
  notify: nativeNotify,
} = Atomics;

/** What an explored thread works with when no races are looked for. */
export const NATIVE_ATOMICS: AtomicTable = {
  load: nativeLoad,
  store: nativeStore,
  add: nativeAdd,
  or: nativeOr,
  and: nativeAnd,
  exchange: nativeExchange,
  compareExchange: nativeCompareExchange,
  wait: nativeWait,
  notify: nativeNotify,
};

/** Watched memory to the array behind it. */
const behind = new WeakMap<object, Memory>();

/** The array behind watched memory; any other memory itself. */
export const realMemory = (mem: Memory): Memory => behind.get(mem) ?? mem;

const DIGIT_0 = 48;
const DIGIT_9 = 57;

/** The index that a property name is, or -1. A proxy is given names, never numbers. */
function indexOf(key: string | symbol): number {
  if (typeof key !== 'string') return -1;
  const first = key.charCodeAt(0);
  return first >= DIGIT_0 && first <= DIGIT_9 ? Number(key) : -1;
}

/**
 * The arena as a thread sees it while races are looked for: an index goes through the detector; the methods that write ranges, too. What
 * hands the array itself out (`buffer`, `subarray`, an iterator) is counted as an escape.
 */
export function watchMemory(mem: Memory, detector: RaceDetector): Memory {
  const methods = writingMethods(mem, detector, () => watched);
  const watched: Memory = new Proxy(mem, {
    get(target, key) {
      const a = indexOf(key);
      if (a >= 0) return a < target.length ? detector.read(a) : undefined;
      const method = methods.get(key);
      if (method !== undefined) return method;
      const member: unknown = Reflect.get(target, key, target);
      if (typeof member === 'number') return member;
      if (typeof member !== 'function') {
        if (key === 'buffer') detector.escaped();
        return member;
      }
      detector.escaped();
      return member.bind(target);
    },
    set(target, key, value) {
      const a = indexOf(key);
      if (a < 0) return Reflect.set(target, key, value, target);
      if (a < target.length) detector.write(a, value as number);
      return true;
    },
  });
  behind.set(watched, mem);
  return watched;
}

type Method = (...args: never[]) => unknown;

function writingMethods(mem: Memory, detector: RaceDetector, self: () => Memory): ReadonlyMap<string | symbol, Method> {
  const { length } = mem;
  /** An argument as `fill` and its like take it: from the end when negative. */
  const place = (value: number | undefined, none: number): number =>
    value === undefined ? none : Math.min(Math.max(value < 0 ? length + value : value, 0), length);
  const fill = (v: number, start?: number, end?: number): Memory => {
    mem.fill(v, start, end);
    detector.range(KIND.plainWrite, place(start, 0), place(end, length));
    return self();
  };
  const set = (source: ArrayLike<number>, offset = 0): void => {
    mem.set(realSource(source), offset);
    detector.range(KIND.plainWrite, offset, offset + source.length);
  };
  const copyWithin = (target: number, start: number, end?: number): Memory => {
    const from = place(start, 0);
    const to = place(target, 0);
    const n = Math.max(0, Math.min(place(end, length) - from, length - to));
    mem.copyWithin(target, start, end);
    detector.range(KIND.plainRead, from, from + n);
    detector.range(KIND.plainWrite, to, to + n);
    return self();
  };
  return new Map<string, Method>([
    ['fill', fill],
    ['set', set],
    ['copyWithin', copyWithin],
  ]);
}

const realSource = (source: ArrayLike<number>): ArrayLike<number> => behind.get(source) ?? source;

/** `Atomics` over watched memory: on the array behind it, with an order for the detector where the operation is no step. */
export function watchedAtomics(detector: RaceDetector): AtomicTable {
  const on = (mem: object, how: number, a: number): Memory => {
    detector.raw(how, a);
    return behind.get(mem) ?? (mem as Memory);
  };
  const table = {
    load: (mem: Memory, a: number) => nativeLoad(on(mem, RAW.load, a), a),
    store: (mem: Memory, a: number, v: number) => nativeStore(on(mem, RAW.store, a), a, v),
    add: (mem: Memory, a: number, v: number) => nativeAdd(on(mem, RAW.update, a), a, v),
    or: (mem: Memory, a: number, v: number) => nativeOr(on(mem, RAW.update, a), a, v),
    and: (mem: Memory, a: number, v: number) => nativeAnd(on(mem, RAW.update, a), a, v),
    exchange: (mem: Memory, a: number, v: number) => nativeExchange(on(mem, RAW.update, a), a, v),
    compareExchange: (mem: Memory, a: number, expected: number, v: number) =>
      nativeCompareExchange(on(mem, RAW.update, a), a, expected, v),
    wait: (mem: Memory, a: number, expected: number, ms?: number) => nativeWait(realMemory(mem), a, expected, ms),
    notify: (mem: Memory, a: number, count?: number) => nativeNotify(realMemory(mem), a, count),
  };
  // The signatures of `Atomics` have an overload for each array type; the arena has one type.
  return table as AtomicTable;
}
