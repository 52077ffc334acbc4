/** What `--policy` may be: the whole pipeline, or one of its parts alone. */
export const POLICIES = ['default', 'random', 'pct', 'pos', 'surw', 'mix', 'bound', 'dpor', 'dfs', 'novelty'] as const;
export type Policy = (typeof POLICIES)[number];
