import { POINT, type PointName } from '../trace/points.ts';
import { type Issue, OdpError, type Position } from './errors.ts';
import { type LitmusPlan, VERBS, type Verb, type VerbPlan } from './plan.ts';
import type { LitmusScenario } from './schema.ts';
import { didYouMean } from './suggest.ts';

type Locate = (path: readonly PropertyKey[]) => Position;

const FILE_VERBS: readonly string[] = ['truncate', 'extend'] satisfies Verb[];

/** Index of each file of a litmus scenario, in the order in which they are written. */
export const litmusFiles = (scenario: LitmusScenario): readonly string[] => Object.keys(scenario.files);
/** Names of the program threads; their tids are their places. */
export const litmusThreads = (scenario: LitmusScenario): readonly string[] => Object.keys(scenario.threads);

/** One step, or a sentence that says what is wrong with it: `madvise A`, `truncate F 2`. */
export function parseStep(text: string, scenario: LitmusScenario): VerbPlan | string {
  const [verb = '', target = '', extra] = text.split(' ');
  if (!(VERBS as readonly string[]).includes(verb)) return `no verb '${verb}'${didYouMean(verb, VERBS)}`;
  if (FILE_VERBS.includes(verb)) {
    const file = litmusFiles(scenario).indexOf(target);
    if (file < 0) return `no file '${target}'${didYouMean(target, litmusFiles(scenario))}`;
    const { pages } = scenario.files[target]!;
    const size = extra === undefined ? (verb === 'extend' ? pages : 0) : Number(extra);
    if (!Number.isInteger(size) || size < 0 || size > pages)
      return `'${text}': the new size must be a whole number of pages, 0 to ${pages}`;
    return { verb: verb as Verb, target, mm: 0, start: size, last: size, file };
  }
  if (extra !== undefined) return `'${text}': ${verb} takes only a range`;
  const range = scenario.ranges[target];
  if (range === undefined) return `no range '${target}'${didYouMean(target, Object.keys(scenario.ranges))}`;
  return {
    verb: verb as Verb,
    target,
    mm: range.mm,
    start: range.at,
    last: range.at + range.pages - 1,
    file: -1,
  };
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
