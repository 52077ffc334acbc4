import { MKEY, mkeyAddr } from '../hca/device.ts';
import { wrapText } from '../report/format.ts';
import type { Style } from '../report/style.ts';
import { OdpError } from '../scenario/errors.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { inspectLocks, lockLines } from './locks.ts';
import type { PostMortem } from './post-mortem.ts';
import { inspectRange, rangeLines } from './range.ts';
import { inspectRings, ringLines } from './rings.ts';
import { inspectSections, sectionLines } from './sections.ts';
import { inspectThreads, threadLines } from './threads.ts';
import { inspectUmems, umemLines } from './umems.ts';
import { inspectRegions, inspectWords, regionLines, wordLines } from './words.ts';

export const TOPICS = ['threads', 'locks', 'umems', 'range', 'sections', 'rings', 'words'] as const;
export type Topic = (typeof TOPICS)[number];

export interface TopicOptions {
  /** What follows the topic. */
  readonly args: readonly string[];
  readonly width: number;
  readonly style: Style;
  /** Points of each thread. */
  readonly last: number;
  /** Of `range`; default: that of the umem that the violation is about. */
  readonly mm?: number;
}

/** A topic's answer: data for --json, and lines that are made of it. */
interface Answer {
  readonly data: unknown;
  lines(): string[];
}

const answer = <T>(data: T, lines: (data: T) => string[]): Answer => ({ data, lines: () => lines(data) });

const usage = (message: string): OdpError => new OdpError({ code: 'ODP_E_USAGE', message });

const ANSWERS: Readonly<Record<Topic, (p: PostMortem, options: TopicOptions) => Answer>> = {
  threads: (p, { width }) => answer(inspectThreads(p), (data) => threadLines(p, data, width)),
  locks: (p, { width }) => answer(inspectLocks(p), (data) => lockLines(data, width)),
  umems: (p, { width }) => answer(inspectUmems(p), (data) => umemLines(p, data, width)),
  sections: (p, { width }) => answer(inspectSections(p), (data) => sectionLines(p, data, width)),
  range(p, { args, mm: given, width }) {
    const mm = given ?? mmOf(p);
    const [start, last] = pagesOf(p, mm, args);
    return answer({ mm, pages: inspectRange(p, mm, start, last) }, ({ pages }) => rangeLines(pages, width));
  },
  rings(p, { args: [thread], last }) {
    const names = p.dump.plan.threads.map(({ name }) => name);
    if (thread !== undefined && !names.includes(thread))
      throw usage(`no thread '${thread}'${didYouMean(thread, names)}`);
    return answer(inspectRings(p, last, thread), (data) => ringLines(p, data));
  },
  words: (p, { args, width }) =>
    args.length === 0
      ? answer(inspectRegions(p), (data) => regionLines(data, width))
      : answer(inspectWords(p, args), (data) => wordLines(data, width)),
};

/** What a look without a topic shows. */
const OVERVIEW: readonly Topic[] = ['threads', 'locks', 'sections', 'umems'];

/** Throws `ODP_E_USAGE` for a topic that there is not, or arguments that it does not take. */
export function topicOf(given: string | undefined): Topic | null {
  if (given === undefined) return null;
  const topic = TOPICS.find((one) => one === given);
  if (topic === undefined) throw usage(`nothing to inspect called '${given}'${didYouMean(given, TOPICS)}`);
  return topic;
}

export function inspectLines(p: PostMortem, topic: Topic | null, options: TopicOptions): string[] {
  const { style, width } = options;
  if (topic !== null) return [...headLines(p, width), '', ...ANSWERS[topic](p, options).lines()];
  return [
    ...headLines(p, width),
    ...OVERVIEW.flatMap((one) => ['', style.bold(one), ...ANSWERS[one](p, options).lines()]),
  ];
}

export function inspectData(p: PostMortem, topic: Topic | null, options: TopicOptions): Record<string, unknown> {
  const { dump } = p;
  const topics = topic === null ? OVERVIEW : [topic];
  return {
    schemaVersion: 1,
    folder: dump.folder,
    version: dump.version,
    violation: dump.violation,
    takenAtMs: dump.takenAtMs,
    copyMs: dump.copyMs,
    ...Object.fromEntries(topics.map((one) => [one, ANSWERS[one](p, options).data])),
  };
}

function headLines({ dump }: PostMortem, width: number): string[] {
  const { violation: v, takenAtMs, copyMs } = dump;
  return [
    `${v.oracle} of ${v.strategy} in ${v.scenario} seed=${v.seed}, noticed by ${v.thread.name} at ${v.atMs.toFixed(3)} ms`,
    v.detail,
    `the arena as it was ${(takenAtMs - v.atMs).toFixed(3)} ms later, at ${takenAtMs.toFixed(3)} ms; copied in ${copyMs.toFixed(2)} ms, while the threads went on`,
  ].flatMap((line) => wrapText(line, width));
}

function mmOf({ world, dump }: PostMortem): number {
  const { umem } = dump.violation;
  if (umem === undefined || umem <= 0 || umem >= world.hca.mkeys) return 0;
  return Math.min(world.mem[mkeyAddr(world.hca, umem) + MKEY.mm]!, world.mm.mms.length - 1);
}

/** The pages that are named, or else those that the violation is about. */
function pagesOf({ world, dump }: PostMortem, mm: number, [text]: readonly string[]): readonly [number, number] {
  const { range, page } = dump.violation;
  const space = world.mm.mms[mm];
  if (space === undefined) throw usage(`there are mms 0 to ${world.mm.mms.length - 1}`);
  if (text === undefined) {
    if (range !== undefined) return [range.start, range.last];
    if (page !== undefined) return [page, page];
    return [0, space.pages - 1];
  }
  const found = /^(\d+)(?:\.\.(\d+))?$/.exec(text);
  const start = Number(found?.[1] ?? Number.NaN);
  const last = Number(found?.[2] ?? start);
  if (!(start <= last && last < space.pages))
    throw usage(`'${text}' is no range of pages: expected A..B, within 0..${space.pages - 1}`);
  return [start, last];
}
