import type { Addr, Memory } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as sectionModule from '../mm/section.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as activeRangesModule from './active-ranges.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { SECTION } = sectionModule;
const { insertUnderRwsem, removeUnderRwsem, tryNothingOverlaps } = invalidationModule;
const { upRead } = rwSemaphoreModule;
const { umemLast, umemStart } = umemModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const {
  backOffOverlaps,
  BACKED_OFF,
  lockRanges,
  RANGES,
  rangesBegin,
  rangesChanged,
  rangesCheck,
  rangesInit,
  rangesWait,
  unlockRanges,
} = activeRangesModule;

const LIST = defineStruct('active_range_list', { ranges: { words: RANGES.$words, line: true }, first: 1 });
/** What a section is on the list with; its start and last are the section's own. */
const NODE = defineStruct('mmu_notifier_range', { listed: 1, next: 1, prev: 1 });
const nodeOf = (section: Addr): Addr => at(section, SECTION.$words);
const nextOf = (mem: Memory, section: Addr): Addr => mem[nodeOf(section) + NODE.next] as Addr;

/** list_add. */
export function listRange(actor: Actor, ctx: Ucontext, section: Addr): void {
  const { mem } = actor;
  lockRanges(actor, ctx);
  const head = mem[ctx.ext + LIST.first] as Addr;
  mem[nodeOf(section) + NODE.listed] = 1;
  mem[nodeOf(section) + NODE.next] = head;
  mem[nodeOf(section) + NODE.prev] = NULL_ADDR;
  if (head !== NULL_ADDR) mem[nodeOf(head) + NODE.prev] = section;
  mem[ctx.ext + LIST.first] = section;
  unlockRanges(actor, ctx);
}

/** list_del; false when the section was not on the list. */
function unlistRange(actor: Actor, ctx: Ucontext, section: Addr): boolean {
  const { mem } = actor;
  // Only the section's own thread writes this word.
  if (mem[nodeOf(section) + NODE.listed] === 0) return false;
  lockRanges(actor, ctx);
  const next = nextOf(mem, section);
  const prev = mem[nodeOf(section) + NODE.prev] as Addr;
  mem[nodeOf(section) + NODE.listed] = 0;
  if (next !== NULL_ADDR) mem[nodeOf(next) + NODE.prev] = prev;
  if (prev !== NULL_ADDR) mem[nodeOf(prev) + NODE.next] = next;
  else mem[ctx.ext + LIST.first] = next;
  unlockRanges(actor, ctx);
  return true;
}

/** Whether a range of the list overlaps the umem's. */
function listedOver(actor: Actor, ctx: Ucontext, umem: Addr): boolean {
  const { mem } = actor;
  const start = umemStart(mem, umem);
  const last = umemLast(mem, umem);
  lockRanges(actor, ctx);
  let section = mem[ctx.ext + LIST.first] as Addr;
  while (section !== NULL_ADDR && (mem[section + SECTION.start] > last || mem[section + SECTION.last] < start))
    section = nextOf(mem, section);
  unlockRanges(actor, ctx);
  return section !== NULL_ADDR;
}

/**
 * The range is an object of the caller's, on its stack, in a list of the mm.
 *
 * - start: lists the range; then sends back the faults under way on overlapping umems, and zaps.
 * - end: takes it off the list, after all callbacks, and wakes all.
 * - fault: waits while a listed range overlaps the umem; refused when a start has sent it back since: "no range overlaps" is out of date
 *   as soon as the list is unlocked, so the callback of start must speak to the umem, too.
 * - register: no handshake.
 * - The order in start is that of v3. v1 and v2 listed the range after the callbacks: a fault between the two saw neither.
 */
export const rangeStack: Strategy = {
  name: 'range-stack',
  title: 'the range is an object of the caller, listed from before start to after end',
  origin:
    'the seed thread, Jerome Glisse: "a patch to use the stack"; "mmu_notifier: keep track of active invalidation ranges" v3 .. v12, 2014 .. 2016, never merged',
  reasoning:
    'What range-pool knows, without its pool: nothing to run out of, nothing to allocate, and end takes off what start put on, not one that looks like it. The price is a change to every caller of the notifiers.',
  params: {},
  words: { ucontext: LIST.$words, umem: BACKED_OFF.$words, section: NODE.$words },
  fields: { ucontext: LIST, umem: BACKED_OFF },
  pins: false,
  init: rangesInit,
  registerLocks: () => 'none',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart(actor, ctx, section, start, last, blockable) {
    listRange(actor, ctx, section);
    if (blockable) backOffOverlaps(actor, ctx, start, last);
    else if (tryNothingOverlaps(actor, ctx, start, last)) upRead(actor, ctx.umemRwsem);
    else {
      unlistRange(actor, ctx, section);
      rangesChanged(actor, ctx);
      return OUTCOME.eagain;
    }
    return OUTCOME.ok;
  },
  rangeEnd(actor, ctx, section) {
    if (unlistRange(actor, ctx, section)) rangesChanged(actor, ctx);
    else count(actor, COUNTER['exposure.ignoredEnd']);
  },
  faultBegin: (actor, ctx, umem) => rangesBegin(actor, ctx, umem, listedOver),
  faultCheck: (actor, _ctx, umem, sample) => rangesCheck(actor, umem, sample),
  faultWait: (actor, ctx, umem, timeoutMs) => rangesWait(actor, ctx, umem, timeoutMs, listedOver),
  faultWake: rangesChanged,
  audit(actor, ctx, umem, report) {
    if (umem !== NULL_ADDR) return;
    let listed = 0;
    for (let s = actor.mem[ctx.ext + LIST.first] as Addr; s !== NULL_ADDR; s = nextOf(actor.mem, s)) listed++;
    if (listed !== 0) report(NULL_ADDR, 'listed ranges', listed, 0);
  },
  expected: () => ({
    must: [],
    may: [],
    reason:
      'a fault that begins after the range is listed finds it; one that began before is sent back by the callback',
  }),
};
