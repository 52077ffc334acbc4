import type { Strategy } from '../odp/strategy.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { findStrategy } from '../strategies/index.ts';
import { findVariant } from '../variants/index.ts';

/**
 * Users' strategies that this thread has loaded, by URL. As the module cache behind it, it only grows: in a thread, a URL means the same
 * module for ever.
 */
const loaded = new Map<string, Strategy>();

export const keepStrategy = (url: string, strategy: Strategy): void => void loaded.set(url, strategy);

/** The strategy of a plan. A user's own has to be loaded into this thread before: see torture/strategy-file.ts. */
export const strategyOf = (plan: Pick<CellPlan, 'strategy' | 'strategyFile'>): Strategy | undefined =>
  plan.strategyFile === undefined
    ? (findStrategy(plan.strategy) ?? findVariant(plan.strategy))
    : loaded.get(plan.strategyFile.url);
