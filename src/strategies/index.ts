import type { Strategy } from '../odp/strategy.ts';
import { contextCount } from './context-count.ts';
import { deferredActivation } from './deferred-activation.ts';
import { heldRwsem } from './held-rwsem.ts';
import { intervalNotifier } from './interval-notifier.ts';
import { mmapWrite } from './mmap-write.ts';
import { pinned } from './pinned.ts';
import { poolOverflow } from './pool-overflow.ts';
import { privateCount } from './private-count.ts';
import { privateCountClamped } from './private-count-clamped.ts';
import { rangeAlloc } from './range-alloc.ts';
import { rangePool } from './range-pool.ts';
import { rangeStack } from './range-stack.ts';
import { rangeUnion } from './range-union.ts';
import { takeAllLocks } from './take-all-locks.ts';

/** All designs, in the order of the thread and then of the kernel. */
export const STRATEGIES: readonly Strategy[] = [
  privateCount,
  privateCountClamped,
  mmapWrite,
  contextCount,
  rangePool,
  rangeAlloc,
  rangeStack,
  poolOverflow,
  intervalNotifier,
  takeAllLocks,
  deferredActivation,
  heldRwsem,
  rangeUnion,
  pinned,
];

export const findStrategy = (name: string): Strategy | undefined => STRATEGIES.find((s) => s.name === name);
