import { DEFAULT_OPERATION_PAGES } from './defaults.ts';
import type { Issue } from './errors.ts';
import type { LoadedScenario } from './load.ts';
import { LOAD_ROLES, type LoadRole, type ThreadPlan } from './plan.ts';
import { type LitmusScenario, type LoadScenario, MAX_THREADS } from './schema.ts';

interface RolePlan {
  readonly role: LoadRole;
  readonly count: number;
  readonly pages: readonly [number, number];
  readonly pauseUs: number;
  readonly mm: number | undefined;
}

/** Threads of a scenario by tid: roles in the order of `LOAD_ROLES` or the programs of a litmus, and the supervisor last. */
export function threadPlans(
  loaded: LoadedScenario,
  overrides: Readonly<Partial<Record<LoadRole, number>>>,
): { threads: ThreadPlan[]; issues: Issue[] } {
  const { scenario } = loaded;
  const threads = scenario.kind === 'load' ? loadThreads(scenario, overrides) : litmusThreadPlans(scenario);
  const issues = scenario.kind === 'load' ? checkLoadThreads(loaded, scenario, threads) : [];
  if (threads.length === 0)
    issues.push({
      code: 'ODP_E_THREADS',
      message: 'no threads: at least one role needs a count above 0',
      at: loaded.locate(['threads']),
    });
  if (threads.length > MAX_THREADS)
    issues.push({
      code: 'ODP_E_THREADS',
      message: `${threads.length} threads, at most ${MAX_THREADS} are possible`,
      at: loaded.locate(['threads']),
    });
  const tid = threads.length;
  // With counts from flags, a place in the file would be the wrong place to look at.
  const fromFlags = Object.keys(overrides).length > 0;
  threads.push({ tid, role: 'supervisor', name: 'supervisor', mm: 0, minPages: 1, maxPages: 1, pauseUs: 0 });
  return { threads, issues: fromFlags ? issues.map(({ code, message }) => ({ code, message })) : issues };
}

/** Largest region of a scenario, pages. */
export const mrPagesOf = (loaded: LoadedScenario): number =>
  loaded.scenario.hca.mrPages ?? Math.min(loaded.scenario.memory.pages, Math.max(16, widestRegistration(loaded)));

function widestRegistration({ scenario }: LoadedScenario): number {
  if (scenario.kind === 'litmus') return Math.max(1, ...Object.values(scenario.ranges).map((range) => range.pages));
  const register = scenario.threads.register;
  return typeof register === 'object' ? (register.pages?.[1] ?? 1) : 1;
}

function rolePlans(scenario: LoadScenario, overrides: Readonly<Partial<Record<LoadRole, number>>>): RolePlan[] {
  return LOAD_ROLES.map((role): RolePlan => {
    const written = scenario.threads[role] ?? 0;
    const settings = typeof written === 'number' ? { count: written } : written;
    const [min, max] = DEFAULT_OPERATION_PAGES[role];
    return {
      role,
      count: overrides[role] ?? settings.count,
      pages: settings.pages ?? [min, Math.min(max, defaultWidest(role, scenario))],
      pauseUs: settings.pauseUs ?? 0,
      mm: settings.mm,
    };
  });
}

const defaultWidest = (role: LoadRole, scenario: LoadScenario): number =>
  role === 'register' ? Math.min(scenario.memory.pages, scenario.hca.mrPages ?? 16) : scenario.memory.pages;

function loadThreads(scenario: LoadScenario, overrides: Readonly<Partial<Record<LoadRole, number>>>): ThreadPlan[] {
  const threads: ThreadPlan[] = [];
  for (const { role, count, pages, pauseUs, mm } of rolePlans(scenario, overrides))
    for (let n = 0; n < count; n++)
      threads.push({
        tid: threads.length,
        role,
        name: `${role}-${n}`,
        mm: mm ?? n % scenario.memory.mms,
        minPages: pages[0],
        maxPages: pages[1],
        pauseUs,
      });
  return threads;
}

function litmusThreadPlans(scenario: LitmusScenario): ThreadPlan[] {
  return Object.keys(scenario.threads).map((name, tid) => ({
    tid,
    role: 'program',
    name,
    mm: 0,
    minPages: 1,
    maxPages: 1,
    pauseUs: 0,
  }));
}

/** What a role cannot do its work without. */
const NEEDS: readonly { readonly role: LoadRole; readonly needs: LoadRole; readonly why: string }[] = [
  { role: 'dma', needs: 'register', why: 'there would be no memory region to access' },
  { role: 'fault-engine', needs: 'register', why: 'there would be no memory region to fault on' },
  { role: 'dma', needs: 'fault-engine', why: 'nobody would serve the page faults that it raises' },
];

function checkLoadThreads(loaded: LoadedScenario, scenario: LoadScenario, threads: readonly ThreadPlan[]): Issue[] {
  const issues: Issue[] = [];
  const has = (role: LoadRole): boolean => threads.some((thread) => thread.role === role);
  const wrong = (role: LoadRole, message: string, member?: string): void => {
    const path = member === undefined ? ['threads', role] : ['threads', role, member];
    issues.push({ code: 'ODP_E_ROLE', message, at: loaded.locate(path) });
  };
  for (const { role, needs, why } of NEEDS)
    if (has(role) && !has(needs)) wrong(role, `threads of role ${role} need at least one of role ${needs}: ${why}`);
  if (has('truncate') && scenario.memory.files.length === 0)
    wrong('truncate', 'threads of role truncate need at least one file in memory.files');
  const seen = new Set<string>();
  for (const thread of threads) {
    const role = thread.role as LoadRole;
    if (seen.has(role)) continue;
    seen.add(role);
    if (thread.mm >= scenario.memory.mms)
      wrong(role, `${role} works on mm ${thread.mm}, but there are ${scenario.memory.mms}`, 'mm');
    const widest = role === 'register' ? mrPagesOf(loaded) : scenario.memory.pages;
    if (thread.maxPages > widest)
      wrong(
        role,
        `${role} wants up to ${thread.maxPages} pages, ${role === 'register' ? 'hca.mrPages' : 'memory.pages'} is ${widest}`,
        'pages',
      );
  }
  return issues;
}
