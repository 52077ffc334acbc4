import { MM_TASK, mmTaskAddr, SECTION, SECTION_EVENT, sectionAddr, sectionDepth } from '../mm/section.ts';
import { fittedTable } from './lines.ts';
import { beforeImage, type PostMortem } from './post-mortem.ts';

/** A section that was in flight. */
export interface SectionView {
  readonly tid: number;
  readonly thread: string;
  /** 0: the outermost of its thread. */
  readonly level: number;
  readonly mm: number;
  readonly start: number;
  readonly last: number;
  readonly event: string;
  readonly cookie: number;
  /** Cell time, milliseconds; null: it was not taken. */
  readonly startedAtMs: number | null;
  /** Subscriptions that were told of the start. */
  readonly told: readonly number[];
  /** The strategy's own words. */
  readonly own: readonly number[];
}

const EVENTS: readonly string[] = Object.keys(SECTION_EVENT);

export function inspectSections({ world, dump, threadName }: PostMortem): SectionView[] {
  const { mem, f64 } = world;
  const out: SectionView[] = [];
  for (let tid = 0; tid < world.threads; tid++)
    for (let level = 0; level < sectionDepth(mem[mmTaskAddr(world.mm, tid) + MM_TASK.stack]!); level++) {
      const s = sectionAddr(world.mm, tid, level);
      const own = s + SECTION.$words;
      const mask = mem[s + SECTION.startedMask]!;
      const startedAt = f64[(s + SECTION.startedAt) >>> 1]!;
      out.push({
        tid,
        thread: threadName(tid),
        level,
        mm: mem[s + SECTION.mm]!,
        start: mem[s + SECTION.start]!,
        last: mem[s + SECTION.last]!,
        event: EVENTS[mem[s + SECTION.event]!] ?? `event ${mem[s + SECTION.event]}`,
        cookie: mem[s + SECTION.cookie]!,
        startedAtMs: startedAt === 0 ? null : startedAt,
        told: Array.from({ length: 31 }, (_, i) => i).filter((i) => (mask & (1 << i)) !== 0),
        own: [...mem.subarray(own, own + dump.strategy.words.section)],
      });
    }
  return out;
}

export function sectionLines(p: PostMortem, sections: readonly SectionView[], width: number): string[] {
  if (sections.length === 0) return ['no section was in flight'];
  return fittedTable(
    [
      { title: 'thread' },
      { title: 'range' },
      { title: 'event' },
      { title: 'section', right: true },
      { title: 'started' },
      { title: 'told' },
      { title: p.dump.strategy.words.section > 0 ? p.dump.strategy.name : '' },
    ],
    sections.map(({ thread, level, mm, start, last, event, cookie, startedAtMs, told, own }) => [
      `${'  '.repeat(level)}${thread}`,
      `${p.world.contexts.length > 1 ? `mm ${mm} ` : ''}[${start}..${last}]`,
      event,
      String(cookie),
      startedAtMs === null ? '?' : beforeImage(p, startedAtMs),
      told.length === 0 ? 'nobody yet' : told.join(', '),
      own.join(' '),
    ]),
    width,
  );
}
