import type { Strategy } from '../odp/strategy.ts';
import { ORACLE_NAMES } from '../oracles/names.ts';

/** What kind of mistake it is. */
export const FAMILIES = [
  'unpaired',
  'publish/act order',
  'late sample',
  'check outside lock',
  'deferred command reordered',
  'lifetime',
  'lock leak',
  'lock cycle',
  'progress',
] as const;
export type Family = (typeof FAMILIES)[number];

/** A known bug: a design, or the driver or mm under it, with one step replaced. */
export interface Variant {
  readonly strategy: Strategy;
  /** The design that it spoils. */
  readonly base: string;
  readonly family: Family;
  /** Its number in the list of known bugs, or `own`. */
  readonly bug: string;
  /** Oracles of which at least one must see it. */
  readonly oracles: readonly string[];
  /** Scenario under scenarios/variants in which it shows. */
  readonly litmus: string;
  /** Load scenario, there too, under which chance brings it about. */
  readonly load: VariantLoad;
}

/** What kind of load it takes: invalidations all the time, first and last regions, or exits. */
export type VariantLoad = 'load' | 'load-lives' | 'load-exits';

interface Given {
  readonly base: Strategy;
  readonly name: string;
  readonly title: string;
  readonly origin: string;
  readonly family: Family;
  readonly bug: string;
  readonly oracles: readonly string[];
  readonly litmus: string;
  /** Default: `load`. */
  readonly load?: VariantLoad;
  readonly replaces: Partial<Strategy>;
}

/** Makes a variant. What else it breaks on the way depends on the moment, so any oracle may fire; whether it was found is judged by `oracles`. */
export const variant = ({
  base,
  replaces,
  name,
  title,
  origin,
  family,
  bug,
  oracles,
  litmus,
  load = 'load',
}: Given): Variant => ({
  strategy: {
    ...base,
    ...replaces,
    name,
    title,
    origin,
    reasoning: `${base.name} with one step replaced: ${title}.`,
    expected: () => ({ must: [], may: ORACLE_NAMES, reason: `a known bug: ${origin}` }),
  },
  base: base.name,
  family,
  bug,
  oracles,
  litmus,
  load,
});
