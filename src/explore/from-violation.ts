import type { ViolationRecord, WindowRecord } from '../results/types.ts';
import type { CellPlan, Role, Verb } from '../scenario/plan.ts';
import { type Pages, pagesOverlap } from './pages.ts';

/** What of a cell's plan a draft needs; as run.json has it. */
export type DraftPlan = Pick<CellPlan, 'memory' | 'threads' | 'strategy'>;

/** A litmus scenario drawn from the window of a violation. */
export interface Draft {
  readonly name: string;
  /** One line: in which way this draft reads the window. */
  readonly reading: string;
  readonly yaml: string;
}

/** An operation that a window shows, as the verb of a litmus program. */
interface Operation {
  readonly tid: number;
  readonly op: number;
  readonly verb: Verb;
  readonly pages: Pages;
  /** truncate and extend: the file, and its new size. */
  readonly file: number;
  readonly size: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

const MAX_OPERATIONS = 3;
const MAX_THREADS = 4;
const DEVICE: readonly Verb[] = ['fault', 'prefetch', 'dma-read', 'dma-write'];
const INVALIDATORS: readonly Verb[] = ['madvise', 'munmap', 'truncate'];

/**
 * Builds litmus scenarios from a violation that was found on free-running threads: its window names the operations that were under
 * way around it, on which pages, on which threads. Several drafts, the most literal first: a window is short, so what came
 * before it, above all when the region was registered, has to be guessed. All of them are only candidates: the search decides
 * which shows the violation again.
 */
export function draftLitmus(record: ViolationRecord, plan: DraftPlan): Draft[] {
  const operations = operationsOf(record, plan);
  const focus = focusOf(record, operations);
  if (focus === null) return [];
  const region = regionOf(record, operations, focus);
  const near = operations.filter((o) => pagesOverlap(o.pages, focus) || pagesOverlap(o.pages, region));
  const registered = near.some((o) => o.verb === 'register' && pagesOverlap(o.pages, focus));
  const literal = programs(
    near.filter((o) => o.verb !== 'deregister'),
    record,
    region,
  );
  const drafts: { reading: string; programs: Program[]; setup: boolean; region: Pages }[] = [];
  const add = (reading: string, list: Program[], setup: boolean, region: Pages): void => {
    const text = JSON.stringify([list.map((p) => p.steps), setup]);
    if (list.length >= 2 && !drafts.some((d) => JSON.stringify([d.programs.map((p) => p.steps), d.setup]) === text))
      drafts.push({ reading, programs: list, setup, region });
  };
  add('the operations of the window as they are', literal, !registered, region);
  add(
    'the region is registered by the thread that faults on it',
    withRegistration(near, record, region),
    false,
    region,
  );
  add(
    'two invalidators around a registration and a fault of the region',
    aroundRegistration(near, record, focus),
    false,
    { start: focus.start, last: focus.start },
  );
  return drafts.map((draft, i) => ({
    name: `${record.scenario}-${record.oracle}-${record.nth}${i === 0 ? '' : `-${i + 1}`}`,
    reading: draft.reading,
    yaml: scenarioText(record, plan, draft),
  }));
}

/** One thread of a draft. */
interface Program {
  readonly name: string;
  readonly steps: readonly Step[];
}
interface Step {
  readonly verb: Verb;
  readonly pages: Pages;
  readonly file: number;
  readonly size: number;
}

/** Groups the window's points by operation. What began before the window is known from its sections, and from its thread's role. */
function operationsOf(record: ViolationRecord, plan: DraftPlan): Operation[] {
  const groups = new Map<string, WindowRecord[]>();
  for (const point of record.window) {
    const key = `${point.tid} ${point.op}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  const umems = new Map<number, Pages>();
  for (const { point, args } of record.window)
    if (point === 'umem.inserted' || point === 'umem.deferred') umems.set(args[0], { start: args[1], last: args[2] });
  const list: Operation[] = [];
  for (const points of groups.values()) {
    const first = points[0]!;
    const role = plan.threads[first.tid]?.role;
    const what = operationOf(points, role, umems);
    if (what === null) continue;
    list.push({ ...what, tid: first.tid, op: first.op, firstMs: first.timeMs, lastMs: points.at(-1)!.timeMs });
  }
  return list.sort((a, b) => a.firstMs - b.firstMs);
}

type What = Pick<Operation, 'verb' | 'pages' | 'file' | 'size'>;

function operationOf(points: readonly WindowRecord[], role: Role | undefined, umems: Map<number, Pages>): What | null {
  const find = (...names: string[]): WindowRecord | undefined => points.find(({ point }) => names.includes(point));
  const range = (r: WindowRecord, at = 0): Pages => ({ start: r.args[at]!, last: r.args[at + 1]! });
  const plain = (verb: Verb, pages: Pages): What => ({ verb, pages, file: -1, size: 0 });
  const enter = find('madvise.enter', 'munmap.enter', 'register.enter');
  if (enter !== undefined) return plain(enter.point.split('.')[0] as Verb, range(enter));
  const truncate = find('truncate.enter', 'truncate.sized', 'truncate.pass1', 'truncate.pass2');
  const section = find('section.starting', 'section.started', 'section.cleared', 'section.ending', 'section.ended');
  if (truncate !== undefined || (role === 'truncate' && section !== undefined)) {
    const pages = section === undefined ? { start: -1, last: -1 } : range(section);
    return { verb: 'truncate', pages, file: truncate?.args[0] ?? 0, size: truncate?.args[1] ?? 0 };
  }
  if (section !== undefined) return plain(role === 'munmap' ? 'munmap' : 'madvise', range(section));
  const inserted = find('umem.inserted', 'umem.deferred');
  if (inserted !== undefined) return plain('register', range(inserted, 1));
  const removed = find('umem.removed');
  if (removed !== undefined) return plain('deregister', range(removed, 1));
  const fault = find('fault.sampled', 'fault.checked', 'fault.committed', 'fault.retried');
  if (fault !== undefined)
    return plain('fault', umems.get(fault.args[0]) ?? { start: fault.args[1], last: fault.args[1] });
  const got = find('fault.gotPages');
  if (got !== undefined) return plain('fault', { start: got.args[0], last: got.args[0] });
  const access = find('dma.translated');
  if (access !== undefined) return plain('dma-read', { start: access.args[1], last: access.args[1] });
  return null;
}

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

const stepOf = ({ verb, pages, file, size }: Operation): Step => ({ verb, pages, file, size });

/** The noticing thread, then whoever did something to these pages last; each with its last few operations. */
function programs(operations: readonly Operation[], record: ViolationRecord, region: Pages): Program[] {
  const tids = [...new Set([record.thread.tid, ...[...operations].reverse().map((o) => o.tid)])];
  const list: Program[] = [];
  for (const tid of tids) {
    const own = operations.filter((o) => o.tid === tid && o.firstMs <= record.atMs).slice(-MAX_OPERATIONS);
    if (own.length === 0) continue;
    list.push({ name: threadName(record, tid), steps: own.map((o) => clip(stepOf(o), region)) });
    if (list.length === MAX_THREADS) break;
  }
  return list;
}

/** A device access is of one page of the region: the whole region by one fault would be many steps. */
const clip = (step: Step, region: Pages): Step =>
  DEVICE.includes(step.verb) || step.verb === 'register' ? { ...step, pages: region } : step;

/** Invalidators as they are, and one thread that registers the region, faults on it and reads it. */
function withRegistration(operations: readonly Operation[], record: ViolationRecord, region: Pages): Program[] {
  const invalidators = programs(
    operations.filter((o) => INVALIDATORS.includes(o.verb)),
    record,
    region,
  ).map((program) => ({ ...program, steps: program.steps.slice(-1) }));
  return [...invalidators.slice(0, MAX_THREADS - 1), deviceProgram(region)];
}

const deviceProgram = (region: Pages): Program => ({
  name: 'hca-0',
  steps: (['register', 'fault', 'dma-read'] as const).map((verb) => ({ verb, pages: region, file: -1, size: 0 })),
});

/** The shape of the seed thread, on one page: a section that the region is born in, and one that counts it. */
function aroundRegistration(operations: readonly Operation[], record: ViolationRecord, focus: Pages): Program[] {
  const page: Pages = { start: focus.start, last: focus.start };
  const over = operations.filter((o) => INVALIDATORS.includes(o.verb) && pagesOverlap(o.pages, page));
  const last = over.filter((o) => o.tid === record.thread.tid).at(-1) ?? over.at(-1);
  const hit: Step =
    last === undefined || last.verb !== 'truncate'
      ? { verb: last?.verb ?? 'madvise', pages: page, file: -1, size: 0 }
      : stepOf(last);
  return [
    { name: last === undefined ? 'madvise-0' : threadName(record, last.tid), steps: [hit] },
    { name: 'other-0', steps: [{ verb: 'madvise', pages: page, file: -1, size: 0 }] },
    deviceProgram(page),
  ];
}

const threadName = (record: ViolationRecord, tid: number): string => record.names[tid] ?? `thread-${tid}`;

/** The same shape on fewer pages: pages that every range either holds or leaves out together become one. */
interface Folded {
  /** Number of pages. */
  readonly pages: number;
  /** The page that stands for `page`; of a page beyond the last, the number of pages. */
  page(page: number): number;
  readonly areas: readonly { readonly file: number; readonly at: number; readonly pages: number }[];
}

function fold(plan: DraftPlan, ranges: readonly Pages[], sizes: readonly { file: number; size: number }[]): Folded {
  const areas = plan.memory.areas.filter((area) => area.mm === 0);
  const cuts = new Set<number>();
  for (const { start, last } of ranges) cuts.add(start).add(last + 1);
  for (const { at, pages } of areas) cuts.add(at).add(at + pages);
  for (const { file, size } of sizes) {
    const area = areas.find((a) => a.file === file);
    if (area !== undefined) cuts.add(area.at + Math.max(size - area.offset, 0));
  }
  const used = (from: number): boolean =>
    ranges.some(({ start, last }) => start <= from && from <= last) ||
    sizes.some(({ file }) => areas.some((a) => a.file === file && a.at <= from && from < a.at + a.pages));
  const starts = [...cuts]
    .sort((a, b) => a - b)
    .filter((from) => used(from) && areas.some((a) => a.at <= from && from < a.at + a.pages));
  return {
    pages: starts.length,
    // A page stands in the last piece that begins at or before it; the end of a file is the piece that begins there.
    page: (p) =>
      cuts.has(p) ? starts.filter((from) => from < p).length : starts.filter((from) => from <= p).length - 1,
    areas: areas
      .map(({ at, pages, file }) => ({
        file,
        at: starts.filter((from) => from < at).length,
        pages: starts.filter((from) => at <= from && from < at + pages).length,
      }))
      .filter(({ pages }) => pages > 0),
  };
}

interface DraftParts {
  readonly reading: string;
  readonly programs: readonly Program[];
  /** The region is registered before the threads start. */
  readonly setup: boolean;
  readonly region: Pages;
}

/** The scenario as a file that a person may read and keep. */
function scenarioText(
  record: ViolationRecord,
  plan: DraftPlan,
  { reading, programs, setup, region }: DraftParts,
): string {
  const steps = programs.flatMap((program) => program.steps);
  const truncates = steps.filter((step) => step.verb === 'truncate');
  const ranges = [region, ...steps.filter((step) => step.verb !== 'truncate').map((step) => step.pages)];
  const folded = fold(plan, ranges, truncates);
  const names = new Map<string, { readonly name: string; readonly at: number; readonly pages: number }>();
  const nameOf = (pages: Pages): string => {
    const at = folded.page(pages.start);
    const count = folded.page(pages.last) - at + 1;
    const key = `${at} ${count}`;
    const name = names.get(key)?.name ?? String.fromCharCode('A'.charCodeAt(0) + names.size);
    names.set(key, { name, at, pages: count });
    return name;
  };
  const fileSize = (file: number, size: number): number => {
    const area = plan.memory.areas.find((a) => a.file === file);
    const at = folded.areas.find((a) => a.file === file)?.at ?? 0;
    return area === undefined || size <= area.offset ? 0 : folded.page(area.at + size - area.offset) - at;
  };
  const text = (step: Step): string =>
    step.verb === 'truncate'
      ? `truncate F${step.file} ${fileSize(step.file, step.size)}`
      : `${step.verb} ${nameOf(step.pages)}`;
  const regionName = nameOf(region);
  const threads = programs.map(({ name, steps: own }) => `  ${name}: [${own.map(text).join(', ')}]`);
  const files = folded.areas.filter(({ file }) => file >= 0);
  const regionPages = names.values().next().value?.pages ?? 1;
  return [
    `# Drawn from a violation on free-running threads: ${record.oracle} #${record.nth} of ${record.strategy},`,
    `# scenario ${record.scenario}, seed ${record.seed}. Reading: ${reading}. Pages that play the same part are folded into one.`,
    'kind: litmus',
    `description: ${record.oracle} of ${record.strategy}, as ${record.scenario} showed it with seed ${record.seed}.`,
    '',
    'memory:',
    `  pages: ${folded.pages}`,
    '  areas:',
    ...folded.areas.map(({ at, pages, file }) =>
      file < 0
        ? `    - { kind: anon, at: ${at}, pages: ${pages} }`
        : `    - { kind: file, at: ${at}, pages: ${pages}, file: F${file} }`,
    ),
    ...(files.length === 0 ? [] : ['', 'files:', ...files.map(({ file, pages }) => `  F${file}: { pages: ${pages} }`)]),
    '',
    `hca: { mrs: 4, mrPages: ${regionPages}, faultTimeoutMs: 5 }`,
    '',
    'ranges:',
    ...[...names.values()].map(({ name, at, pages }) => `  ${name}: { at: ${at}, pages: ${pages} }`),
    '',
    'setup:',
    ...[...names.values()].map(({ name }) => `  - write ${name}`),
    ...(setup ? [`  - register ${regionName}`] : []),
    '',
    'threads:',
    ...threads,
    '',
    'expect:',
    `  ${record.strategy}: { must: [${record.oracle}] }`,
    '',
  ].join('\n');
}
