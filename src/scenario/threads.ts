import { DEFAULT_OPERATION_PAGES } from './defaults.ts';
import type { Issue } from './errors.ts';
import type { LoadedScenario } from './load.ts';
import { type AreaPlan, LOAD_ROLES, type LoadRole, type MemoryPlan, type ThreadPlan } from './plan.ts';
import { type LitmusScenario, type LoadScenario, MAX_THREADS } from './schema.ts';

interface RolePlan {
  readonly role: LoadRole;
  readonly count: number;
  readonly pages: readonly [number, number];
  readonly pauseUs: number;
  readonly mm: number | undefined;
  readonly child: number | undefined;
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
      child: settings.child,
    };
  });
}

const defaultWidest = (role: LoadRole, scenario: LoadScenario): number =>
  role === 'register' ? Math.min(scenario.memory.pages, scenario.hca.mrPages ?? 16) : scenario.memory.pages;

function loadThreads(scenario: LoadScenario, overrides: Readonly<Partial<Record<LoadRole, number>>>): ThreadPlan[] {
  const threads: ThreadPlan[] = [];
  const mms = sharedMms(scenario);
  for (const { role, count, pages, pauseUs, mm, child } of rolePlans(scenario, overrides))
    for (let n = 0; n < count; n++)
      threads.push({
        tid: threads.length,
        role,
        name: `${role}-${n}`,
        mm: mm ?? mms[n % mms.length] ?? 0,
        ...(child === undefined ? {} : { child }),
        minPages: pages[0],
        maxPages: pages[1],
        pauseUs,
      });
  return threads;
}

/**
 * The address spaces that threads take turns on when they name none: those with areas, but not one whose process exits, which is a world
 * of its own.
 */
function sharedMms({ memory, threads }: LoadScenario): number[] {
  const areas = memory.areas;
  const exits = typeof threads.exit === 'object' ? threads.exit.mm : undefined;
  return Array.from({ length: memory.mms }, (_, mm) => mm).filter(
    (mm) => mm !== exits && (areas === undefined || areas.some((area) => area.mm === mm)),
  );
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
  for (const role of ['truncate', 'punch-hole'] as const)
    if (has(role) && scenario.memory.files.length === 0)
      wrong(role, `threads of role ${role} need at least one file in memory.files`);
  issues.push(...checkExit(loaded, threads));
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

/** Roles that may work on an mm whose process exits: those that are no threads of that process, or hold a reference to it. */
const OUTLIVE_PROCESS: readonly LoadRole[] = [
  'exit',
  'register',
  'fault-engine',
  'dma',
  'truncate',
  'punch-hole',
  'reclaim',
  'migrate',
];

/** The last of a process's threads is gone when it exits: no other role may be one. */
function checkExit(loaded: LoadedScenario, threads: readonly ThreadPlan[]): Issue[] {
  const issues: Issue[] = [];
  const exits = threads.filter(({ role }) => role === 'exit');
  for (const mm of new Set(exits.map((thread) => thread.mm))) {
    const one = exits.filter((thread) => thread.mm === mm);
    if (one.length > 1)
      issues.push({
        code: 'ODP_E_ROLE',
        message: `mm ${mm} has ${one.length} threads of role exit, and can have one`,
        at: loaded.locate(['threads', 'exit']),
      });
    for (const role of new Set(threads.filter((thread) => thread.mm === mm).map((thread) => thread.role)))
      if (!OUTLIVE_PROCESS.includes(role as LoadRole))
        issues.push({
          code: 'ODP_E_ROLE',
          message: `${role} works on mm ${mm}, whose process exits: it would be a thread of that process. Give it another mm`,
          at: loaded.locate(['threads', role]),
        });
  }
  return issues;
}

/** Each forking thread needs an mm of its own for its children, with nothing in it; and what is moved needs a place to go. */
export function checkChildren({ mms, areas, pages }: MemoryPlan, threads: readonly ThreadPlan[]): Issue[] {
  const issues: Issue[] = [];
  const wrong = (message: string): void => {
    issues.push({ code: 'ODP_E_ROLE', message });
  };
  const taken = new Set<number>();
  for (const { role, name, child, mm, maxPages } of threads) {
    if (role === 'mremap' && freePages(areas, mm, pages) < maxPages)
      wrong(
        `${name} moves up to ${maxPages} pages, but mm ${mm} has no ${maxPages} pages in a row that no area covers`,
      );
    if (role !== 'fork') continue;
    if (child === undefined) wrong(`${name} needs 'child': the number of an mm for its children`);
    else if (child === mm || child >= mms)
      wrong(`${name}: its children need an mm other than ${mm}, and there are ${mms}`);
    else if (taken.has(child)) wrong(`${name}: mm ${child} is another forking thread's`);
    else if (areas.some((area) => area.mm === child))
      wrong(`${name}: mm ${child} has areas, so no child can be made there`);
    else if (
      threads.some(
        (other) =>
          other.role !== 'supervisor' && other.role !== 'program' && other.mm === child && other.role !== 'fork',
      )
    )
      wrong(`${name}: other threads work on mm ${child}`);
    if (child !== undefined) taken.add(child);
  }
  return issues;
}

/** The longest run of pages of an mm that no area covers. */
export function freePages(areas: readonly AreaPlan[], mm: number, pages: number): number {
  return freeRun(areas, mm, pages).pages;
}

/** Where it lies. */
export function freeRun(areas: readonly AreaPlan[], mm: number, pages: number): { at: number; pages: number } {
  const own = areas.filter((area) => area.mm === mm).sort((a, b) => a.at - b.at);
  let best = { at: 0, pages: 0 };
  let from = 0;
  for (const next of [...own, { at: pages, pages: 0 }]) {
    if (next.at - from > best.pages) best = { at: from, pages: next.at - from };
    from = next.at + next.pages;
  }
  return best;
}
