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
const { rawLoad } = atomicsModule;
const { dataRace, dataRaceStore } = dataRaceModule;

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
 * What each thread keeps about its own doings in all mms. Only it writes; others read `stack` and the sections, for exposures and
 * opportunities alone: figures, on which no design decides, so these words are no steps of a controlled run.
 */
export const MM_TASK = defineStruct('mm_task', {
  /** How many sections the thread is in (`sectionDepth`; section i < depth is valid), and how many it ever began: one word, see `pushSection`. */
  stack: { words: 1, line: true },
  /** mmu_gather: frames that were unmapped and not yet released. */
  gatherCount: { words: 1, line: true },
  gather: GATHER_FRAMES,
});

const DEPTH_BITS = 3;
const DEPTH_MASK = (1 << DEPTH_BITS) - 1;
const STACK = MM_TASK.stack;
const THREAD_BITS = 6;
export const MAX_THREADS = 1 << THREAD_BITS;

export const mmTaskAddr = ({ mmTasks }: MmWorld, tid: number): Addr => (mmTasks.base + tid * mmTasks.stride) as Addr;

/** Section `i` of a thread. */
export const sectionAddr = ({ mmTasks }: MmWorld, tid: number, i: number): Addr =>
  (mmTasks.base + tid * mmTasks.stride + mmTasks.sections + i * mmTasks.sectionStride) as Addr;

/** How many sections a `MM_TASK.stack` word says that the thread is in. */
export const sectionDepth = (stack: number): number => stack & DEPTH_MASK;

/** The innermost section of the calling thread; it must be in one. */
export const currentSection = (actor: Actor, world: MmWorld): Addr =>
  sectionAddr(world, actor.tid, sectionDepth(actor.mem[mmTaskAddr(world, actor.tid) + STACK]) - 1);

/**
 * Pushes a section onto the thread's stack. Depth and number of sections begun are one word, so that no look sees one without the other:
 * who samples the numbers, finds no section, then does something, and finds the numbers unchanged, has met none.
 *
 * A plain store does. The section is nothing to anybody before its first callback, and that takes a lock or counts itself in: whoever has
 * seen a callback's doing sees this word, which was written before that atomic operation.
 */
export function pushSection(actor: Actor, mm: Mm, start: Vpn, last: Vpn, event: SectionEvent): Addr {
  const { mem, tid } = actor;
  const t = mmTaskAddr(mm.world, tid);
  const stack = mem[t + STACK];
  const depth = sectionDepth(stack);
  if (depth >= MAX_SECTIONS) throw new RangeError(`mm: thread ${tid} nests more than ${MAX_SECTIONS} sections`);
  const section = sectionAddr(mm.world, tid, depth);
  mem[section + SECTION.mm] = mm.id;
  mem[section + SECTION.start] = start;
  mem[section + SECTION.last] = last;
  mem[section + SECTION.event] = event;
  mem[section + SECTION.cookie] = (((stack >> DEPTH_BITS) + 1) << THREAD_BITS) | tid;
  mem[section + SECTION.startedMask] = 0;
  dataRaceStore(mem, at(t, STACK), (stack + (1 << DEPTH_BITS) + 1) | 0);
  const open = at(mm.sectionsOf, tid);
  dataRaceStore(mem, open, mem[open] + 1);
  return section;
}

/**
 * Takes the innermost section off the stack. Plain: who sees it a little longer finds an opportunity less, or counts a section that his
 * own doing met just after its last callback.
 */
export function popSection(actor: Actor, mm: Mm): void {
  const { mem, tid } = actor;
  const open = at(mm.sectionsOf, tid);
  dataRaceStore(mem, open, mem[open] - 1);
  const word = at(mmTaskAddr(mm.world, tid), STACK);
  dataRaceStore(mem, word, mem[word] - 1);
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
    const depth = sectionDepth(rawLoad(mem, at(mmTaskAddr(world, tid), STACK)));
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
 * It looks at the mm's own words first, so that threads of different mms have no line in common.
 */
export function othersOverlap(actor: Actor, mm: Mm, start: Vpn, last: Vpn): boolean {
  const { mem, tid } = actor;
  const { world } = mm;
  const { base, stride, sections, sectionStride } = world.mmTasks;
  for (let other = 0; other < world.threads; other++) {
    if (dataRace(mem, at(mm.sectionsOf, other)) === 0 || other === tid) continue;
    const t = at(base, other * stride);
    const depth = sectionDepth(dataRace(mem, at(t, STACK)));
    for (let i = 0; i < depth; i++)
      if (overlaps(mem, at(t, sections + i * sectionStride), mm.id, start, last)) return true;
  }
  return false;
}

/** Sections that were ever begun by any thread, modulo 2^29. */
export function sectionsBegun(actor: Actor, world: MmWorld): number {
  let n = 0;
  for (let tid = 0; tid < world.threads; tid++)
    n += rawLoad(actor.mem, at(mmTaskAddr(world, tid), STACK)) >> DEPTH_BITS;
  return (n << DEPTH_BITS) >> DEPTH_BITS;
}

/** True while any thread is in a section of this mm. */
export const isSectionActive = (actor: Actor, mm: Mm): boolean =>
  sectionsOverlapping(actor, mm, 0 as Vpn, (mm.pages - 1) as Vpn) > 0;
