import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import type { Actor } from '../trace/actor.ts';
import type { Mm, MmWorld } from './mm.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { defineStruct } = structModule;
const { rawLoad, rawStore } = atomicsModule;
const { dataRace } = dataRaceModule;

/** How deep one thread may nest sections: an invalidation, reclaim in it, and room for two more. */
export const MAX_SECTIONS = 4;
/** Frames in a thread's gather batch. */
export const GATHER_FRAMES = 32;

/** What a section is for: enum mmu_notifier_event. */
export const SECTION_EVENT = {
  unmap: 0,
  clear: 1,
  protectionVma: 2,
  protectionPage: 3,
  softDirty: 4,
  release: 5,
} as const;
export type SectionEvent = (typeof SECTION_EVENT)[keyof typeof SECTION_EVENT];

/** One section of an invalidator: mmu_notifier_range. A strategy's own words follow at `SECTION.$words`. */
export const SECTION = defineStruct('section', {
  /** Cell time of the start, milliseconds, as a double; 0 when it was not taken. */
  startedAt: 2,
  mm: 1,
  start: 1,
  last: 1,
  event: 1,
  /** Tells the sections that are under way apart; used again after 2^25 sections of one thread. */
  cookie: 1,
  /** Bit i: start of subscription i returned OK. */
  startedMask: 1,
});

/**
 * What each thread keeps about its own doings in all mms. Only it writes; others read `depth`, `begun` and the sections, for
 * exposures and opportunities alone: figures, on which no design decides, so these words are no steps of a controlled run.
 */
export const MM_TASK = defineStruct('mm_task', {
  /** Sections that the thread is in; section i < depth is valid. */
  depth: { words: 1, line: true },
  /** Sections that the thread ever started, modulo 2^32. */
  begun: 1,
  /** mmu_gather: frames that were unmapped and not yet released. */
  gatherCount: { words: 1, line: true },
  gather: GATHER_FRAMES,
});

const THREAD_BITS = 6;
export const MAX_THREADS = 1 << THREAD_BITS;

export const mmTaskAddr = ({ mmTasks }: MmWorld, tid: number): Addr => (mmTasks.base + tid * mmTasks.stride) as Addr;

/** Section `i` of a thread. */
export const sectionAddr = ({ mmTasks }: MmWorld, tid: number, i: number): Addr =>
  (mmTasks.base + tid * mmTasks.stride + mmTasks.sections + i * mmTasks.sectionStride) as Addr;

/** The innermost section of the calling thread; it must be in one. */
export const currentSection = (actor: Actor, world: MmWorld): Addr =>
  sectionAddr(world, actor.tid, actor.mem[mmTaskAddr(world, actor.tid) + MM_TASK.depth] - 1);

/**
 * Pushes a section onto the thread's stack. The depth is stored atomically after the fields: who sees it sees the range. The
 * number of sections begun rises after the depth, not before: who samples it, then looks at the depths, then does something,
 * and finds both unchanged afterwards, has met no section (the other way round, one could slip between its two looks).
 */
export function pushSection(actor: Actor, mm: Mm, start: Vpn, last: Vpn, event: SectionEvent): Addr {
  const { mem, tid } = actor;
  const t = mmTaskAddr(mm.world, tid);
  const depth = mem[t + MM_TASK.depth];
  if (depth >= MAX_SECTIONS) throw new RangeError(`mm: thread ${tid} nests more than ${MAX_SECTIONS} sections`);
  const section = sectionAddr(mm.world, tid, depth);
  const begun = (mem[t + MM_TASK.begun] + 1) | 0;
  mem[section + SECTION.mm] = mm.id;
  mem[section + SECTION.start] = start;
  mem[section + SECTION.last] = last;
  mem[section + SECTION.event] = event;
  mem[section + SECTION.cookie] = (begun << THREAD_BITS) | tid;
  mem[section + SECTION.startedMask] = 0;
  rawStore(mem, at(t, MM_TASK.depth), depth + 1);
  rawStore(mem, at(t, MM_TASK.begun), begun);
  return section;
}

/** Takes the innermost section off the stack: from here on, nobody sees it. */
export function popSection(actor: Actor, world: MmWorld): void {
  const t = mmTaskAddr(world, actor.tid);
  rawStore(actor.mem, at(t, MM_TASK.depth), actor.mem[t + MM_TASK.depth] - 1);
}

/**
 * Sections of all threads that overlap start .. last of an mm now. Another thread may leave one section and enter the next while
 * it is being read; whoever needs certainty compares `sectionsBegun` before and after.
 */
export function sectionsOverlapping(actor: Actor, mm: Mm, start: Vpn, last: Vpn): number {
  const { mem } = actor;
  const { world } = mm;
  let n = 0;
  for (let tid = 0; tid < world.threads; tid++) {
    const depth = rawLoad(mem, at(mmTaskAddr(world, tid), MM_TASK.depth));
    for (let i = 0; i < depth; i++) if (overlaps(mem, sectionAddr(world, tid, i), mm.id, start, last)) n++;
  }
  return n;
}

/** Racy on purpose: the section's thread may be leaving it and writing the next one. The callers say why that does no harm. */
const overlaps = (mem: Memory, s: Addr, mm: number, start: Vpn, last: Vpn): boolean =>
  dataRace(mem, at(s, SECTION.mm)) === mm &&
  dataRace(mem, at(s, SECTION.start)) <= last &&
  dataRace(mem, at(s, SECTION.last)) >= start;

/**
 * As `sectionsOverlapping`, of the other threads only and with plain loads: for a figure on every section's way, where an atomic
 * load for each thread would cost more than the section's own steps. A count that is late by one is still a count of what happened.
 */
export function othersOverlap(actor: Actor, mm: Mm, start: Vpn, last: Vpn): boolean {
  const { mem, tid } = actor;
  const { world } = mm;
  const { base, stride, sections, sectionStride } = world.mmTasks;
  for (let other = 0; other < world.threads; other++) {
    const t = at(base, other * stride);
    const depth = dataRace(mem, at(t, MM_TASK.depth));
    if (depth === 0 || other === tid) continue;
    for (let i = 0; i < depth; i++)
      if (overlaps(mem, at(t, sections + i * sectionStride), mm.id, start, last)) return true;
  }
  return false;
}

/** Sections that were ever begun by any thread, modulo 2^32. */
export function sectionsBegun(actor: Actor, world: MmWorld): number {
  let n = 0;
  for (let tid = 0; tid < world.threads; tid++)
    n = (n + rawLoad(actor.mem, at(mmTaskAddr(world, tid), MM_TASK.begun))) | 0;
  return n;
}

/** True while any thread is in a section of this mm. */
export const isSectionActive = (actor: Actor, mm: Mm): boolean =>
  sectionsOverlapping(actor, mm, 0 as Vpn, (mm.pages - 1) as Vpn) > 0;
