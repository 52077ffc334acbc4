import { existsSync } from 'node:fs';
import type { Role } from '../scenario/plan.ts';

/**
 * The built entry file of a role. tsc does not rewrite `new URL('./x.ts', import.meta.url)`, so the name is made here, beside where
 * this file lies when built: dist/src/torture and dist/workers.
 */
export const workerUrl = (role: Role): URL => built(role, `worker of role '${role}'`);

/** What the pool itself loads. */
export const threadUrl = (): URL => built('thread', "worker 'thread'", 'cjs');

function built(name: string, what: string, kind = 'js'): URL {
  const url = new URL(`../../workers/${name}.${kind}`, import.meta.url);
  if (!existsSync(url)) throw new Error(`the built ${what} is missing: run 'npm run build'`);
  return url;
}
