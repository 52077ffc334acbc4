import type { Strategy } from '../odp/strategy.ts';
import { contextCount } from './context-count.ts';
import { intervalNotifier } from './interval-notifier.ts';
import { mmapWrite } from './mmap-write.ts';
import { pinned } from './pinned.ts';
import { privateCount } from './private-count.ts';
import { privateCountClamped } from './private-count-clamped.ts';

/** All designs, in the order of the thread and then of the kernel. */
export const STRATEGIES: readonly Strategy[] = [
  privateCount,
  privateCountClamped,
  mmapWrite,
  contextCount,
  intervalNotifier,
  pinned,
];

export const findStrategy = (name: string): Strategy | undefined => STRATEGIES.find((s) => s.name === name);
