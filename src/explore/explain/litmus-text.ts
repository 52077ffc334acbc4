import type { CellPlan, LitmusPlan, MemoryPlan, Verb } from '../../scenario/plan.ts';
import { foldPages } from './fold-pages.ts';
import type { Pages } from './pages.ts';

/** One step of a litmus that is to be written. */
export interface LitmusStep {
  readonly verb: Verb;
  /** Empty for truncate and extend. */
  readonly pages: Pages;
  /** truncate and extend: the file, and its new size; else -1 and 0. */
  readonly file: number;
  readonly size: number;
}

/** One thread of it. */
export interface LitmusProgram {
  readonly name: string;
  readonly steps: readonly LitmusStep[];
}

/** All that a litmus scenario says. */
export interface LitmusParts {
  /** Lines of the comment above it. */
  readonly comment: readonly string[];
  readonly name: string;
  readonly description: string;
  /** The address space that the pages are in: `mm` of it becomes the only one. */
  readonly memory: MemoryPlan;
  readonly mm: number;
  readonly setup: readonly LitmusStep[];
  readonly programs: readonly LitmusProgram[];
  /** Lines as in `T1 section.started`. */
  readonly order: readonly string[];
  readonly expect: {
    readonly strategy: string;
    readonly must: readonly string[];
    readonly may: readonly string[];
  };
}

/** Of the adapter: their range is a region, and stands for its key. */
export const DEVICE_VERBS: readonly Verb[] = ['register', 'deregister', 'fault', 'prefetch', 'dma-read', 'dma-write'];

const ITERATIONS = 20;
const MRS = 4;
const COMMENT_WIDTH = 118;

/** A name that the loader takes. */
export function scenarioName(text: string): string {
  const name = text.replaceAll(/[^A-Za-z0-9_-]+/g, '-');
  return /^[A-Za-z]/.test(name) ? name : `v-${name}`;
}

/** The scenario as a file that a person may read and keep. Pages that play the same part are folded into one. */
export function litmusText(parts: LitmusParts): string {
  const { memory, mm, setup, programs } = parts;
  const steps = [...setup, ...programs.flatMap((program) => program.steps)];
  const inFile = steps.filter((step) => step.file >= 0);
  const folded = foldPages(
    memory,
    mm,
    steps.filter((step) => step.file < 0).map((step) => step.pages),
    inFile,
  );
  const ranges = createRanges();
  const text = (step: LitmusStep): string => {
    if (step.file >= 0) return `${step.verb} F${step.file} ${folded.size(step.file, step.size)}`;
    const at = folded.page(step.pages.start);
    // A region's key goes by its name, so what is only memory has another one: the key then is its thread's own affair.
    return `${step.verb} ${ranges.nameOf(at, folded.page(step.pages.last) - at + 1, DEVICE_VERBS.includes(step.verb))}`;
  };
  const setupLines = setup.map((step) => `  - ${text(step)}`);
  const threadLines = programs.map(({ name, steps: own }) => `  ${name}: [${own.map(text).join(', ')}]`);
  const { must, may, strategy } = parts.expect;
  const list = (names: readonly string[]): string => `[${names.join(', ')}]`;
  return [
    ...parts.comment.flatMap((line) => wrapped(line)).map((line) => (line === '' ? '#' : `# ${line}`)),
    'kind: litmus',
    `name: ${parts.name}`,
    `description: ${JSON.stringify(parts.description)}`,
    '',
    'memory:',
    `  pages: ${folded.pages}`,
    '  areas:',
    ...folded.areas.map((area) => `    - { ${areaText(area)} }`),
    ...(folded.files.length === 0
      ? []
      : ['', 'files:', ...folded.files.map(({ file, pages }) => `  F${file}: { pages: ${pages} }`)]),
    '',
    `hca: { mrs: ${MRS}, mrPages: ${ranges.widestRegion()}, faultTimeoutMs: 5 }`,
    '',
    'ranges:',
    ...ranges.lines(),
    '',
    `iterations: ${ITERATIONS}`,
    'duration: 5s',
    ...(setupLines.length === 0 ? [] : ['', 'setup:', ...setupLines]),
    '',
    'threads:',
    ...threadLines,
    ...(parts.order.length === 0 ? [] : ['', 'order:', ...parts.order.map((line) => `  - ${line}`)]),
    '',
    'expect:',
    `  ${strategy}: { must: ${list(must)}, may: ${list(may)} }`,
    '',
  ].join('\n');
}

function areaText(area: ReturnType<typeof foldPages>['areas'][number]): string {
  const { at, pages, file, offset, writable } = area;
  return [
    `kind: ${file < 0 ? 'anon' : 'file'}`,
    `at: ${at}`,
    `pages: ${pages}`,
    ...(file < 0 ? [] : [`file: F${file}`]),
    ...(offset === 0 ? [] : [`offset: ${offset}`]),
    ...(writable ? [] : ['readonly: true']),
  ].join(', ');
}

interface Range {
  readonly name: string;
  readonly at: number;
  readonly pages: number;
  readonly region: boolean;
}

function createRanges() {
  const known = new Map<string, Range>();
  return {
    nameOf(at: number, pages: number, region: boolean): string {
      const key = `${at} ${pages} ${region}`;
      const n = known.size;
      const name = known.get(key)?.name ?? (n < 26 ? String.fromCharCode('A'.charCodeAt(0) + n) : `R${n}`);
      known.set(key, { name, at, pages, region });
      return name;
    },
    lines: (): string[] =>
      [...known.values()].map(({ name, at, pages }) => `  ${name}: { at: ${at}, pages: ${pages} }`),
    widestRegion: (): number => Math.max(1, ...[...known.values()].filter((r) => r.region).map((r) => r.pages)),
  };
}

function wrapped(line: string): string[] {
  if (line === '') return [''];
  const lines: string[] = [];
  for (let rest = line; rest !== ''; ) {
    const space = rest.length <= COMMENT_WIDTH ? -1 : rest.lastIndexOf(' ', COMMENT_WIDTH);
    const at = rest.length <= COMMENT_WIDTH || space <= 0 ? rest.length : space;
    lines.push(rest.slice(0, at));
    rest = rest.slice(at).trimStart();
  }
  return lines;
}

/** The steps of a litmus plan, to be written again. */
export function partsOfPlan(
  plan: Pick<CellPlan, 'memory' | 'threads' | 'litmus'>,
): Pick<LitmusParts, 'memory' | 'mm' | 'setup' | 'programs'> {
  const litmus = plan.litmus!;
  const step = ({ verb, start, last, file }: LitmusPlan['setup'][number]): LitmusStep =>
    file >= 0
      ? { verb, pages: { start: -1, last: -1 }, file, size: start }
      : { verb, pages: { start, last }, file: -1, size: 0 };
  return {
    memory: plan.memory,
    mm: 0,
    setup: litmus.setup.map(step),
    programs: litmus.programs.map((verbs, tid) => ({ name: plan.threads[tid]!.name, steps: verbs.map(step) })),
  };
}
