import type { Expectation, Strategy } from './strategy.ts';

/** What a user's strategy may leave out: descriptions, and what has an empty default. */
type Optional =
  | 'title'
  | 'origin'
  | 'reasoning'
  | 'params'
  | 'words'
  | 'fields'
  | 'pins'
  | 'keepsOut'
  | 'init'
  | 'expected'
  | ExtraData;

/** Data that the contract has beside these, all of it optional there as well. */
type ExtraData = {
  [K in keyof Strategy]-?: undefined extends Strategy[K] ? K : never;
}[keyof Strategy];

/**
 * A user's own strategy, as a file for `--strategy ./file.mjs` exports it: the contract of the built-in ones, with less that must be said.
 *
 * - Without `expected` a cell is judged by its violations alone.
 * - Without `words` (or one of its members) it needs no words of its own there.
 */
export type UserStrategy = Omit<Strategy, Optional> &
  Partial<Omit<Pick<Strategy, Optional>, 'words'>> & {
    readonly words?: Partial<Strategy['words']>;
  };

/** Of a strategy that states no expectation. */
export const NO_EXPECTATION: Expectation & { readonly none: true } = {
  none: true,
  must: [],
  may: [],
  reason: 'the strategy states no expectation: any violation counts against it',
};
