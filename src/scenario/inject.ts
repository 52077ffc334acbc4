import { z } from 'zod';
import { CAPABILITIES, type Capability, type InjectAttributes, type InjectPlan } from '../trace/inject.ts';
import { POINT, type PointName } from '../trace/points.ts';
import type { Issue } from './errors.ts';
import type { LoadedScenario } from './load.ts';
import { type KillPlan, LOAD_ROLES, type ThreadPlan } from './plan.ts';
import { didYouMean } from './suggest.ts';

const whole = (max: number, min = 0) => z.int().min(min).max(max);
/** Counts of a thread are kept in 31 bits. */
const MAX_CALLS = 2 ** 31 - 1;

/** The kernel's names and ranges; where its default is one failure (`times`), here it is no limit. */
const attributes = z
  .strictObject({
    probability: z.number().min(0).max(100).default(0).meta({ description: 'Percent of the calls that fail.' }),
    interval: whole(MAX_CALLS, 1).default(1).meta({ description: 'Only every n-th call of a thread is looked at.' }),
    times: whole(MAX_CALLS, -1)
      .default(-1)
      .meta({ description: 'Failures at most, of all threads together; -1: no limit.' }),
    space: whole(MAX_CALLS).default(0).meta({ description: 'Calls of each thread that succeed before any can fail.' }),
    'fail-nth': whole(MAX_CALLS).default(0).meta({ description: 'The n-th call of each thread fails, exactly once.' }),
    'task-filter': z
      .array(z.string().min(1))
      .default([])
      .meta({ description: 'Roles or names of the threads that it is for; by default all.' }),
  })
  .transform(
    ({ 'fail-nth': failNth, 'task-filter': taskFilter, ...rest }): InjectAttributes => ({
      ...rest,
      failNth,
      taskFilter,
    }),
  );

const optional = Object.fromEntries(CAPABILITIES.map((name) => [name, attributes.optional()])) as Record<
  Capability,
  z.ZodOptional<typeof attributes>
>;

export const injectSchema = z
  .strictObject(optional)
  .meta({ description: "What is made to fail, in the kernel's terms: see docs/fault-injection.md." });

export const stallSchema = z
  .strictObject({
    probability: z.number().gt(0).max(100).meta({ description: 'Percent of the points at which a thread stops.' }),
    ms: z.number().gt(0).max(3_600_000).meta({ description: 'For how long, milliseconds.' }),
    points: z
      .array(z.enum(Object.keys(POINT) as [PointName, ...PointName[]]))
      .default([])
      .meta({ description: 'Where; by default at every point.' }),
  })
  .meta({ description: 'Threads stop for long at a point, and hold what they hold.' });

export const killSchema = z
  .array(
    z.strictObject({
      role: z.enum(LOAD_ROLES),
      after: whole(MAX_CALLS).meta({ description: 'Operations that the thread still does.' }),
    }),
  )
  .meta({
    description: 'Each entry ends one thread of the role between two operations; the first entry the first one.',
  });

const SHAPE = "'capability:attribute=value,...', as in fail_page_alloc:probability=5,interval=7,times=100";

/** `--inject`: one or more capabilities with `;` between; or a sentence that says what is wrong. */
export function parseInject(text: string): InjectPlan | string {
  const plan: Partial<Record<Capability, InjectAttributes>> = {};
  for (const part of text.split(';').map((one) => one.trim())) {
    if (part === '') continue;
    const colon = part.indexOf(':');
    const name = (colon < 0 ? part : part.slice(0, colon)).trim();
    if (!(CAPABILITIES as readonly string[]).includes(name))
      return `no capability '${name}'${didYouMean(name, CAPABILITIES)}`;
    if (colon < 0) return `'${part}' is not of the form ${SHAPE}`;
    const parsed = parseAttributes(part.slice(colon + 1));
    if (typeof parsed === 'string') return `${name}: ${parsed}`;
    plan[name as Capability] = parsed;
  }
  return Object.keys(plan).length === 0 ? `expected ${SHAPE}` : plan;
}

const ATTRIBUTES = ['probability', 'interval', 'times', 'space', 'fail-nth', 'task-filter'];

function parseAttributes(text: string): InjectAttributes | string {
  const given: Record<string, unknown> = {};
  for (const pair of text.split(',').map((one) => one.trim())) {
    const at = pair.indexOf('=');
    const key = at < 0 ? pair : pair.slice(0, at).trim();
    const value = at < 0 ? '' : pair.slice(at + 1).trim();
    if (!ATTRIBUTES.includes(key)) return `no attribute '${key}'${didYouMean(key, ATTRIBUTES)}`;
    if (value === '') return `expected attribute=value, found '${pair}'`;
    given[key] = key === 'task-filter' ? value.split('|') : Number(value);
  }
  const parsed = attributes.safeParse(given);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  return `${path.join('.')}: ${message.replace(/^Invalid input: /, '')}`;
}

/**
 * What a cell makes fail: the scenario's, with the capabilities of the flags in their place. A capability that can never fail is a
 * mistake in a file; from a flag it switches the file's off.
 */
export function resolveInject(
  loaded: LoadedScenario,
  flags: InjectPlan | undefined,
  threads: readonly ThreadPlan[],
): { readonly inject: InjectPlan; readonly issues: Issue[] } {
  const issues: Issue[] = [];
  const inject: Partial<Record<Capability, InjectAttributes>> = {};
  const names = [...new Set(threads.filter(({ role }) => role !== 'supervisor').flatMap((t) => [t.role, t.name]))];
  for (const capability of CAPABILITIES) {
    const given = flags?.[capability];
    const attr = given ?? loaded.scenario.inject?.[capability];
    if (attr === undefined) continue;
    // A place in the file only for what stands there.
    const wrong = (message: string, ...path: string[]): void => {
      const at = given === undefined ? { at: loaded.locate(['inject', capability, ...path]) } : {};
      issues.push({ code: 'ODP_E_INJECT', message: `${capability}: ${message}`, ...at });
    };
    for (const name of attr.taskFilter)
      if (!names.includes(name)) wrong(`no thread or role '${name}'${didYouMean(name, names)}`, 'task-filter');
    if (attr.probability > 0 || attr.failNth > 0) inject[capability] = attr;
    else if (given === undefined) wrong('it would never fail: it needs a probability or fail-nth');
  }
  return { inject, issues };
}

/** Which thread each entry of `kill` ends. */
export function resolveKill(
  loaded: LoadedScenario,
  threads: readonly ThreadPlan[],
): { readonly kill: KillPlan[]; readonly issues: Issue[] } {
  const { scenario } = loaded;
  const issues: Issue[] = [];
  const kill: KillPlan[] = [];
  if (scenario.kind !== 'load') return { kill, issues };
  const taken = new Map<string, number>();
  scenario.kill?.forEach(({ role, after }, i) => {
    const nth = taken.get(role) ?? 0;
    taken.set(role, nth + 1);
    const of = threads.filter((thread) => thread.role === role);
    const thread = of[nth];
    if (thread === undefined)
      issues.push({
        code: 'ODP_E_THREADS',
        message: `kill: there is no ${nth + 1}. thread of role ${role}, only ${of.length}`,
        at: loaded.locate(['kill', i]),
      });
    else kill.push({ tid: thread.tid, after });
  });
  return { kill, issues };
}
