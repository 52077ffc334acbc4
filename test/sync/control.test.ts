import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import {
  atomicStep1,
  atomicStep2,
  atomicStep3,
  CONTROL,
  type Control,
  installControl,
  lockStep,
  OP,
  OP_INFO,
  OP_NAMES,
} from '../../src/sync/control.ts';
import { spinLimit } from '../../src/sync/spin-lock.ts';
import type { Task } from '../../src/sync/task.ts';

describe('a thread that nobody controls', () => {
  it('pays nothing: what a lock exports is the function itself', () => {
    const one = (_task: Task, _a: Addr): number => 1;
    const two = (_task: Task, _a: Addr, v: number): number => v;
    const three = (_task: Task, _a: Addr, _expected: number, v: number): number => v;
    expect(CONTROL.current).toBeNull();
    expect(lockStep(OP.mutexLock, one)).toBe(one);
    expect(atomicStep1(OP.load, one)).toBe(one);
    expect(atomicStep2(OP.add, two)).toBe(two);
    expect(atomicStep3(OP.compareExchange, three)).toBe(three);
    expect(spinLimit({ spins: 7 } as Task)).toBe(7);
  });

  it('cannot be put under control once its locks are chosen', () => {
    expect(CONTROL.current).toBeNull();
    expect(() => installControl({} as Control)).toThrow('before its locks are loaded');
  });
});

describe('the table of steps', () => {
  it('has a number for each name, and a lock step for what is acquired and released', () => {
    OP_NAMES.forEach((name, i) => {
      expect(OP[name]).toBe(i);
      expect(OP_INFO[i]!.name).not.toBe('');
    });
    expect(new Set(OP_INFO.map((info) => info.name)).size).toBe(OP_NAMES.length);
  });
});
