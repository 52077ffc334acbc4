import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as intervalTreeModule from './interval-tree.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;
const { MUTEX } = mutexModule;
const { INTERVAL_NODE } = intervalTreeModule;

/**
 * A registered range (ib_umem_odp). The interval node comes first, so that a node's address is its umem's. A strategy's own words
 * follow at `UMEM.$words`. Memory of a removed umem is used for the next: type-stable, as the umem has no other life than its slot.
 */
export const UMEM = defineStruct('umem', {
  node: { words: INTERVAL_NODE.$words, line: true },
  /** Slot: the same number as the adapter's key index. */
  index: 1,
  key: 1,
  /** 1: being deregistered; faults are refused from here on. */
  dying: 1,
  mm: 1,
  mutex: { words: MUTEX.$words, line: true },
  /** Page-fault handlers that use it. Never reset: a handler that came with an old key may touch it for a moment. */
  users: 1,
  /** Odd from registration to free, and never the same twice: what oracles know its lives by. */
  life: 1,
});

export const umemStart = (mem: Int32Array, umem: Addr): number => mem[umem + INTERVAL_NODE.start];
export const umemLast = (mem: Int32Array, umem: Addr): number => mem[umem + INTERVAL_NODE.last];
/** umem_mutex: guards the device entries of the umem, and whatever the strategy says. */
export const umemMutex = (umem: Addr): Addr => at(umem, UMEM.mutex);
/** The strategy's own words of a umem. */
export const umemExt = (umem: Addr): Addr => at(umem, UMEM.$words);
