/** Every oracle, by the name that users see. The order is the number that violation records carry; append, never reorder. */
export const ORACLE_NAMES = [
  'stale-dma',
  'entry-in-section',
  'stale-mapping',
  'data-corruption',
  'counter-underflow',
  'counter-leak',
  'unpaired-section',
  'starvation',
  'deadlock',
  'leak',
  'inactive-while-idle',
  'lock-order',
  'unlock-not-owner',
  'lost-wakeup',
  'torn-read',
  'use-after-free',
  'double-free',
  'hw-sw-disagree',
  'dead-key-command',
  'sleep-in-nonblockable',
] as const;
export type OracleName = (typeof ORACLE_NAMES)[number];

/** Oracle name to number. */
export const ORACLE = Object.freeze(Object.fromEntries(ORACLE_NAMES.map((name, i) => [name, i]))) as unknown as {
  readonly [K in OracleName]: number;
};

/** Oracles of liveness; all others are of safety. */
export const LIVENESS: readonly OracleName[] = ['starvation', 'deadlock', 'inactive-while-idle', 'lost-wakeup'];
export const isSafety = (oracle: OracleName): boolean => !LIVENESS.includes(oracle);
