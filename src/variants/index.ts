import type { Strategy } from '../odp/strategy.ts';
import { deferredActivation } from '../strategies/deferred-activation.ts';
import { eagainKeepsCount, eagainKeepsRwsem, rangeListedLate, unionUnfenced } from './design-steps.ts';
import {
  cacheUnderMutex,
  containerFreed,
  destroyFirst,
  keyFirst,
  lateSample,
  missedUnlock,
  noFlush,
  putUnderMutex,
  readOnlyLoop,
  reclaimUnderMutex,
  subscribesUnlocked,
  treeFirst,
  unlocksTwice,
  useAfterKey,
  zapAfterEnd,
  zapBeforeCreate,
} from './driver-steps.ts';
import { collapseUntold, scanOutsideLock, toldBeforeClear, unlinkedFirst, vmaLockMissed } from './mm-steps.ts';
import type { Variant } from './variant.ts';

export { FAMILIES, type Family, type Variant, type VariantLoad } from './variant.ts';

/** v3.19's design is its own known bug: the lost activation (4), ca748c39ea3f. */
const lostActivation: Variant = {
  strategy: {
    ...deferredActivation,
    name: 'lost-activation',
    title: 'the last end looks for regions without counters outside the lock under which they are put there',
    origin: 'ca748c39ea3f "RDMA/umem: Get rid of per_mm->notifier_count" (v4.20)',
  },
  base: 'deferred-activation',
  family: 'check outside lock',
  bug: '4',
  oracles: ['inactive-while-idle'],
  litmus: 'madvise-around-second-register',
  load: 'load-lives',
};

/** All known bugs, by the order of their numbers where they have one. */
export const VARIANTS: readonly Variant[] = [
  lostActivation,
  eagainKeepsRwsem,
  rangeListedLate,
  scanOutsideLock,
  eagainKeepsCount,
  zapAfterEnd,
  keyFirst,
  treeFirst,
  useAfterKey,
  zapBeforeCreate,
  destroyFirst,
  reclaimUnderMutex,
  cacheUnderMutex,
  putUnderMutex,
  unlinkedFirst,
  containerFreed,
  unionUnfenced,
  collapseUntold,
  subscribesUnlocked,
  vmaLockMissed,
  unlocksTwice,
  missedUnlock,
  readOnlyLoop,
  toldBeforeClear,
  lateSample,
  noFlush,
];

export const findVariant = (name: string): Strategy | undefined =>
  VARIANTS.find(({ strategy }) => strategy.name === name)?.strategy;
