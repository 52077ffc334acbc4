import { POINT, type PointName } from '../trace/points.ts';
import { type Issue, OdpError, type Position } from './errors.ts';
import { type LitmusPlan, VERBS, type Verb, type VerbPlan } from './plan.ts';
import type { LitmusScenario } from './schema.ts';
import { didYouMean } from './suggest.ts';

type Locate = (path: readonly PropertyKey[]) => Position;

const FILE_VERBS: readonly string[] = ['truncate', 'extend', 'punch-hole'] satisfies Verb[];

/** Index of each file of a litmus scenario, in the order in which they are written. */
export const litmusFiles = (scenario: LitmusScenario): readonly string[] => Object.keys(scenario.files);
/** Names of the program threads; their tids are their places. */
export const litmusThreads = (scenario: LitmusScenario): readonly string[] => Object.keys(scenario.threads);

/** One step, or a sentence that says what is wrong with it: `madvise A`, `truncate F 2`, `punch-hole F 0 1`, `mremap A B`. */
export function parseStep(text: string, scenario: LitmusScenario): VerbPlan | string {
  const [verb = '', target = '', ...extra] = text.split(' ');
  if (!isVerb(verb)) return `no verb '${verb}'${didYouMean(verb, VERBS)}`;
  if (FILE_VERBS.includes(verb)) return fileStep(text, verb, target, extra, scenario);
  const range = scenario.ranges[target];
  if (range === undefined) return noRange(target, scenario);
  const takes = EXTRA[verb] ?? [];
  if (extra.length > takes.length) return `'${text}': ${verb} takes only ${['a range', ...takes].join(' and ')}`;
  const to = secondOperand(text, verb, extra[0], range, scenario);
  if (typeof to === 'string') return to;
  const step = { verb, target, mm: range.mm, start: range.at, last: range.at + range.pages - 1, file: -1 };
  return to === null ? step : { ...step, to };
}

const isVerb = (word: string): word is Verb => (VERBS as readonly string[]).includes(word);
const noRange = (name: string, { ranges }: LitmusScenario): string =>
  `no range '${name}'${didYouMean(name, Object.keys(ranges))}`;

/** What a verb takes behind its range. */
const EXTRA: Readonly<Partial<Record<Verb, readonly string[]>>> = {
  mprotect: ["'ro' or 'rw'"],
  mremap: ['the range that it moves to'],
  fork: ["a range in the child's mm"],
};

function secondOperand(
  text: string,
  verb: Verb,
  word: string | undefined,
  range: { readonly mm: number; readonly pages: number },
  scenario: LitmusScenario,
): number | null | string {
  if (verb === 'mprotect')
    return word === undefined || word === 'ro' ? 0 : word === 'rw' ? 1 : `'${text}': 'ro' or 'rw'`;
  if (verb !== 'mremap' && verb !== 'fork') return null;
  if (word === undefined) return `'${text}': ${verb} needs ${EXTRA[verb]![0]}`;
  const second = scenario.ranges[word];
  if (second === undefined) return noRange(word, scenario);
  if (verb === 'fork')
    return second.mm === range.mm ? `'${text}': the child needs another mm than its parent` : second.mm;
  if (second.mm !== range.mm || second.pages !== range.pages)
    return `'${text}': both ranges must be in one mm and of one size`;
  return second.at;
}

function fileStep(
  text: string,
  verb: Verb,
  target: string,
  extra: readonly string[],
  scenario: LitmusScenario,
): VerbPlan | string {
  const file = litmusFiles(scenario).indexOf(target);
  if (file < 0) return `no file '${target}'${didYouMean(target, litmusFiles(scenario))}`;
  const { pages } = scenario.files[target]!;
  if (verb === 'punch-hole') {
    const first = Number(extra[0] ?? 0);
    const last = Number(extra[1] ?? extra[0] ?? pages - 1);
    if (!Number.isInteger(first) || !Number.isInteger(last) || first < 0 || first > last || last >= pages)
      return `'${text}': the hole must be pages of the file, as in 'punch-hole ${target} 0 ${pages - 1}'`;
    return { verb, target, mm: 0, start: first, last, file };
  }
  if (extra.length > 1) return `'${text}': ${verb} takes only a file and its new size`;
  const size = extra[0] === undefined ? (verb === 'extend' ? pages : 0) : Number(extra[0]);
  if (!Number.isInteger(size) || size < 0 || size > pages)
    return `'${text}': the new size must be a whole number of pages, 0 to ${pages}`;
  return { verb, target, mm: 0, start: size, last: size, file };
}

/** One line of `order`, or a sentence that says what is wrong with it. */
export function parseOrder(text: string, scenario: LitmusScenario): LitmusPlan['order'][number] | string {
  const [thread = '', point = ''] = text.split(' ');
  const threads = litmusThreads(scenario);
  const tid = threads.indexOf(thread);
  if (tid < 0) return `no thread '${thread}'${didYouMean(thread, threads)}`;
  if (!Object.hasOwn(POINT, point) || point === 'none')
    return `no point '${point}'${didYouMean(point, Object.keys(POINT))}`;
  return { tid, point: point as PointName };
}

/** Every name that a litmus file uses must be declared in it; all mistakes are reported at once, each at its place. */
export function checkLitmus(scenario: LitmusScenario, locate: Locate): void {
  const issues: Issue[] = [];
  const wrong = (path: readonly PropertyKey[], message: string): void => {
    issues.push({ code: 'ODP_E_SCENARIO_INVALID', message, at: locate(path) });
  };
  scenario.setup.forEach((text, i) => {
    const step = parseStep(text, scenario);
    if (typeof step === 'string') wrong(['setup', i], step);
  });
  for (const [thread, program] of Object.entries(scenario.threads))
    program.forEach((text, i) => {
      const step = parseStep(text, scenario);
      if (typeof step === 'string') wrong(['threads', thread, i], step);
    });
  scenario.order.forEach((text, i) => {
    const step = parseOrder(text, scenario);
    if (typeof step === 'string') wrong(['order', i], step);
  });
  const files = litmusFiles(scenario);
  scenario.memory.areas?.forEach((area, i) => {
    if (area.file !== undefined && !files.includes(area.file))
      wrong(['memory', 'areas', i, 'file'], `no file '${area.file}'${didYouMean(area.file, files)}`);
  });
  const { pressure } = scenario.memory;
  if (pressure !== undefined && scenario.ranges[pressure] === undefined)
    wrong(['memory', 'pressure'], noRange(pressure, scenario));
  for (const [strategy, { must, may }] of Object.entries(scenario.expect))
    for (const oracle of may)
      if (must.includes(oracle)) wrong(['expect', strategy, 'may'], `'${oracle}' is in both must and may`);
  if (issues.length > 0) throw new OdpError(issues);
}

/** The plan of a checked litmus scenario. */
export function litmusPlan(scenario: LitmusScenario): LitmusPlan {
  const steps = (texts: readonly string[]): VerbPlan[] => texts.map((text) => parseStep(text, scenario) as VerbPlan);
  return {
    iterations: scenario.iterations,
    setup: steps(scenario.setup),
    programs: Object.values(scenario.threads).map(steps),
    order: scenario.order.map((text) => parseOrder(text, scenario) as LitmusPlan['order'][number]),
  };
}
