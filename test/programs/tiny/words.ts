import type { Addr } from '../../../src/memory/address.ts';

/** Words of the tiny programs. */
export const memory = 32;
export const LOCK = 0 as Addr;
export const X = 16 as Addr;
export const Y = 17 as Addr;
export const names = { lock: LOCK, x: X, y: Y };
