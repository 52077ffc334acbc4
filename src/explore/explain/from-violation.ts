import type { ViolationRecord } from '../../results/types.ts';
import type { Role, Verb } from '../../scenario/plan.ts';
import { type DraftPlan, type Operation, operationsOf } from './draft-operations.ts';
import {
  DEVICE_VERBS,
  type LitmusParts,
  type LitmusProgram,
  type LitmusStep,
  litmusText,
  partsOfPlan,
  scenarioName,
} from './litmus-text.ts';
import { type Pages, pagesOverlap } from './pages.ts';

export type { DraftPlan } from './draft-operations.ts';

/** A litmus scenario drawn from the window of a violation. */
export interface Draft {
  readonly name: string;
  /** One line: in which way this draft reads the window. */
  readonly reading: string;
  readonly yaml: string;
}

const MAX_OPERATIONS = 3;
const MAX_THREADS = 4;
const INVALIDATORS: readonly Verb[] = ['madvise', 'munmap', 'truncate'];

/** One way to read a window. */
interface Reading {
  readonly reading: string;
  readonly programs: readonly LitmusProgram[];
  readonly setup: readonly LitmusStep[];
}

/**
 * Builds litmus scenarios from a violation that was found on free-running threads: its window names the operations that were under
 * way around it, on which pages, on which threads. Several drafts, the most literal first: a window is short, so what came
 * before it, above all when the region was registered, has to be guessed. All of them are only candidates: the search decides
 * which shows the violation again.
 */
export function draftLitmus(record: ViolationRecord, plan: DraftPlan): Draft[] {
  const readings = plan.kind === 'litmus' && plan.litmus !== null ? [asItIs(plan)] : readingsOf(record, plan);
  const mm = plan.kind === 'litmus' ? 0 : mmOf(record, plan);
  return readings.map(({ reading, programs, setup }, i) => {
    const name = `${violationName(record)}${i === 0 ? '' : `-${i + 1}`}`;
    const parts: LitmusParts = {
      comment: [...originOf(record), `Reading: ${reading}.`],
      name,
      description: `${record.oracle} of ${record.strategy}, as ${record.scenario} showed it with seed ${record.seed}`,
      memory: plan.memory,
      mm,
      setup,
      programs,
      order: [],
      expect: { strategy: record.strategy, must: [record.oracle], may: [] },
    };
    return { name, reading, yaml: litmusText(parts) };
  });
}

/** For the name of a scenario that comes from it. */
export const violationName = ({ scenario, oracle, nth }: ViolationRecord): string =>
  scenarioName(`${scenario}-${oracle}-${nth}`);

/** Where a scenario comes from, for the comment above it. */
export const originOf = ({ oracle, nth, strategy, scenario, seed }: ViolationRecord): string[] => [
  `Drawn from a violation on free-running threads: ${oracle} #${nth} of ${strategy}, scenario ${scenario}, seed ${seed}.`,
  'Pages that play the same part are folded into one.',
];

/** A violation of a litmus test needs no guess: its threads are all there is, in whatever order. */
function asItIs(plan: DraftPlan): Reading {
  const { programs, setup } = partsOfPlan({ ...plan, litmus: plan.litmus! });
  return { reading: 'the litmus test as it is, in any order', programs, setup };
}

function readingsOf(record: ViolationRecord, plan: DraftPlan): Reading[] {
  const mm = mmOf(record, plan);
  const operations = operationsOf(record, plan).filter(({ tid }) => isIn(plan, tid, mm));
  const focus = focusOf(record, operations);
  if (focus === null) return [];
  const region = regionOf(record, operations, focus);
  const near = operations.filter((o) => pagesOverlap(o.pages, focus) || pagesOverlap(o.pages, region));
  const registered = near.some((o) => o.verb === 'register' && pagesOverlap(o.pages, focus));
  const page: Pages = { start: focus.start, last: focus.start };
  const used = record.oracle === 'data-corruption';
  const readings: Reading[] = [];
  const add = (reading: string, programs: readonly LitmusProgram[], of: Pages, born: boolean): void => {
    const setup = [...writesOf(programs, of), ...(born ? [step('register', of)] : [])];
    const text = JSON.stringify([programs.map((p) => p.steps), born]);
    if (programs.length >= 2 && !readings.some((r) => keyOf(r) === text)) readings.push({ reading, programs, setup });
  };
  add('the operations of the window as they are', literal(near, focus, region, record), region, !registered);
  add(
    'the region is registered by the thread that faults on it',
    withRegistration(near, record, region),
    region,
    false,
  );
  add(
    'two invalidators around a registration and a fault of one page',
    aroundRegistration(near, record, page, false),
    page,
    false,
  );
  // A frame that the device still reaches is only told by what comes to lie in it next.
  if (used) add('the same, and the page is used again', aroundRegistration(near, record, page, true), page, false);
  return readings;
}

const keyOf = ({ programs, setup }: Reading): string =>
  JSON.stringify([programs.map((p) => p.steps), setup.some(({ verb }) => verb === 'register')]);

const step = (verb: Verb, pages: Pages): LitmusStep => ({ verb, pages, file: -1, size: 0 });

/** Everything that is used is written first: a page that was never there has no frame. */
function writesOf(programs: readonly LitmusProgram[], region: Pages): LitmusStep[] {
  const ranges = [region, ...programs.flatMap(({ steps }) => steps.filter((s) => s.file < 0).map((s) => s.pages))];
  const known = new Set<string>();
  return ranges
    .filter(({ start, last }) => known.size < known.add(`${start} ${last}`).size)
    .map((pages) => step('write', pages));
}

const OF_ONE_MM: readonly Role[] = ['madvise', 'munmap', 'register', 'touch'];

/** The address space that it is in. The device's threads and the supervisor serve all of them. */
function mmOf(record: ViolationRecord, { memory, threads }: DraftPlan): number {
  if (memory.mms === 1) return 0;
  const known = (tid: number): number | null => {
    const thread = threads[tid];
    return thread !== undefined && OF_ONE_MM.includes(thread.role) ? thread.mm : null;
  };
  const registered = record.window.findLast(({ point, args }) => point === 'umem.inserted' && args[0] === record.umem);
  return (registered === undefined ? null : known(registered.tid)) ?? known(record.thread.tid) ?? 0;
}

const isIn = ({ memory, threads }: DraftPlan, tid: number, mm: number): boolean => {
  const thread = threads[tid];
  return memory.mms === 1 || thread === undefined || !OF_ONE_MM.includes(thread.role) || thread.mm === mm;
};

/** The pages that the violation is about. */
function focusOf(record: ViolationRecord, operations: readonly Operation[]): Pages | null {
  if (record.page !== undefined) return { start: record.page, last: record.page };
  if (record.range !== undefined) return record.range;
  const last = operations.filter((o) => o.tid === record.thread.tid).at(-1) ?? operations.at(-1);
  return last === undefined ? null : last.pages;
}

/** The registered region: as the window or the record has it, else the pages in question. */
function regionOf(record: ViolationRecord, operations: readonly Operation[], focus: Pages): Pages {
  const registration = operations.filter((o) => o.verb === 'register' && pagesOverlap(o.pages, focus)).at(-1);
  if (registration !== undefined) return registration.pages;
  const counted = record.oracle.startsWith('counter') ? record.range : undefined;
  return counted ?? focus;
}

const stepOf = ({ verb, pages, file, size }: Operation): LitmusStep => ({ verb, pages, file, size });

/**
 * The noticing thread, then whoever did something to these pages last; each with its last few operations. Only one of the
 * registrations stays, the last of the region in question: of the others the window says too little.
 */
function literal(near: readonly Operation[], focus: Pages, region: Pages, record: ViolationRecord): LitmusProgram[] {
  const before = near.filter((o) => o.firstMs <= record.atMs && o.verb !== 'deregister');
  const birth = before.findLast((o) => o.verb === 'register' && pagesOverlap(o.pages, focus));
  const kept = before.filter(
    (o) => o === birth || (o.verb !== 'register' && (!DEVICE_VERBS.includes(o.verb) || pagesOverlap(o.pages, region))),
  );
  // The thread of the registration must be among them.
  return programs(kept, record, region, birth === undefined ? [] : [birth.tid]);
}

function programs(
  operations: readonly Operation[],
  record: ViolationRecord,
  region: Pages,
  first: readonly number[],
): LitmusProgram[] {
  const tids = [...new Set([record.thread.tid, ...first, ...[...operations].reverse().map((o) => o.tid)])];
  const list: LitmusProgram[] = [];
  for (const tid of tids) {
    const own = operations.filter((o) => o.tid === tid && o.firstMs <= record.atMs);
    const steps = withoutRepeats(own.map((o) => clip(stepOf(o), region)));
    const birth = steps.find(({ verb }) => verb === 'register');
    const last = steps.slice(-MAX_OPERATIONS);
    const short = birth === undefined || last.includes(birth) ? last : [birth, ...last.slice(1)];
    if (short.length > 0) list.push({ name: threadName(record, tid), steps: short });
    if (list.length === MAX_THREADS) break;
  }
  return list;
}

/** A device access is of one page, a litmus verb of its whole region: the same one several times in a row is once. */
const withoutRepeats = (steps: readonly LitmusStep[]): LitmusStep[] =>
  steps.filter((one, i) => i === 0 || JSON.stringify(one) !== JSON.stringify(steps[i - 1]));

const clip = (one: LitmusStep, region: Pages): LitmusStep =>
  DEVICE_VERBS.includes(one.verb) ? { ...one, pages: region } : one;

/** Invalidators as they are, and one thread that registers the region, faults on it and reads it. */
function withRegistration(operations: readonly Operation[], record: ViolationRecord, region: Pages): LitmusProgram[] {
  const invalidators = programs(
    operations.filter((o) => INVALIDATORS.includes(o.verb)),
    record,
    region,
    [],
  ).map((program) => ({ ...program, steps: program.steps.slice(-1) }));
  return [...invalidators.slice(0, MAX_THREADS - 1), deviceProgram(region, false)];
}

const deviceProgram = (region: Pages, writes: boolean): LitmusProgram => ({
  name: 'hca-0',
  steps: (['register', 'fault', ...(writes ? (['dma-write'] as const) : []), 'dma-read'] as const).map((verb) =>
    step(verb, region),
  ),
});

/**
 * The shape of the seed thread, on one page: a section that the region is born in, and one that counts it. With `again` a freed
 * page comes back to life: whoever frees a frame is the one that gets it next.
 */
function aroundRegistration(
  operations: readonly Operation[],
  record: ViolationRecord,
  page: Pages,
  again: boolean,
): LitmusProgram[] {
  const over = operations.filter((o) => INVALIDATORS.includes(o.verb) && pagesOverlap(o.pages, page));
  const last = over.filter((o) => o.tid === record.thread.tid).at(-1) ?? over.at(-1);
  const hit = last?.verb === 'truncate' ? stepOf(last) : step(last?.verb ?? 'madvise', page);
  // Behind munmap there is nothing to write to.
  const use = again && hit.verb !== 'munmap' ? [step('write', page)] : [];
  return [
    { name: last === undefined ? 'madvise-0' : threadName(record, last.tid), steps: [hit, ...use] },
    { name: 'other-0', steps: [step('madvise', page), ...use] },
    deviceProgram(page, again),
  ];
}

const threadName = (record: ViolationRecord, tid: number): string => record.names[tid] ?? `thread-${tid}`;
