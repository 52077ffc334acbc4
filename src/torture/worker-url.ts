import { existsSync } from 'node:fs';
import type { Role } from '../scenario/plan.ts';

/**
 * The built entry file of a role. tsc does not rewrite `new URL('./x.ts', import.meta.url)`, so the name is made here, beside where
 * this file lies when built: dist/src/torture and dist/workers.
 */
export const workerUrl = (role: Role): URL => built(role, `worker of role '${role}'`);

/** The entry that loads a user's strategy before it runs a role. */
export const withStrategyUrl = (): URL => built('with-strategy', "worker 'with-strategy'");

function built(name: string, what: string): URL {
  const url = new URL(`../../workers/${name}.js`, import.meta.url);
  if (!existsSync(url)) throw new Error(`the built ${what} is missing: run 'npm run build'`);
  return url;
}
