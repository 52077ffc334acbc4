import { existsSync } from 'node:fs';
import type { Role } from '../scenario/plan.ts';

/**
 * The built entry file of a role. tsc does not rewrite `new URL('./x.ts', import.meta.url)`, so the name is made here, beside where
 * this file lies when built: dist/src/torture and dist/workers.
 */
export function workerUrl(role: Role): URL {
  const url = new URL(`../../workers/${role}.js`, import.meta.url);
  if (!existsSync(url)) throw new Error(`the built worker of role '${role}' is missing: run 'npm run build'`);
  return url;
}
