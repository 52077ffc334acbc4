import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as waitQueueModule from '../sync/wait-queue.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at, NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { insertUnderRwsem, removeUnderRwsem, tryNothingOverlaps, zapOverlaps } = invalidationModule;
const { add, load } = atomicsModule;
const { dataRace } = dataRaceModule;
const { downRead, upRead } = rwSemaphoreModule;
const { WAIT_QUEUE, waitOn, waitPrepare, waitQueueInit, wakeUpAll } = waitQueueModule;

const CONTEXT = defineStruct('context_count', {
  count: { words: 1, line: true },
  seq: { words: 1, line: true },
  wait: { words: WAIT_QUEUE.$words, line: true },
});
/** The count's word. */
export const countOf = (ctx: Ucontext) => at(ctx.ext, CONTEXT.count);
const seqOf = (ctx: Ucontext) => at(ctx.ext, CONTEXT.seq);
const waitOf = (ctx: Ucontext) => at(ctx.ext, CONTEXT.wait);

/**
 * One running count and sequence for the whole process.
 *
 * - start: count +1 (before the tree is looked at), then zap the overlapping umems under umem_rwsem R.
 * - end: sequence +1, then count -1, in this order; at 0 wake the faults.
 * - fault: sample the sequence; under the umem mutex refuse when the count is not 0 or the sequence moved.
 * - register: no handshake: the count is right for a umem whenever it is born.
 * - every fault of the process pays for every section of the process, wherever it is.
 */
export const contextCount: Strategy = {
  name: 'context-count',
  title: 'one running count and sequence for the process',
  origin: 'the patch\'s own alternative, 2014: "use a ucontext wide running notifiers count for retries decision"',
  reasoning:
    'Start and end always pair, whatever is registered in between, so it is safe. While sections overlap without a gap no fault of the process can commit, also on memory that none of them touches.',
  params: {},
  words: { ucontext: CONTEXT.$words, umem: 0, section: 0 },
  fields: { ucontext: CONTEXT },
  pins: false,
  init: (mem, ctx) => waitQueueInit(mem, waitOf(ctx)),
  registerLocks: () => 'read',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart(actor, ctx, _section, start, last, blockable) {
    // Held until the section is counted: a umem that comes after that has faults that see the count.
    if (!blockable && !tryNothingOverlaps(actor, ctx, start, last)) return OUTCOME.eagain;
    // Before the walk: a umem that the walk misses is inserted after it, and its faults see the count.
    const count = add(actor, countOf(ctx), 1) + 1;
    // For the trace, which may show the sequence that another section's end is just moving.
    actor.observer.countChanged(actor, NULL_ADDR, count, dataRace(actor.mem, seqOf(ctx)));
    if (blockable) {
      downRead(actor, ctx.umemRwsem);
      zapOverlaps(actor, ctx, start, last);
    }
    upRead(actor, ctx.umemRwsem);
    return OUTCOME.ok;
  },
  rangeEnd(actor, ctx) {
    // The sequence first: a fault that finds the count at 0 again must find that the sequence has moved since its sample.
    const seq = add(actor, seqOf(ctx), 1) + 1;
    const count = add(actor, countOf(ctx), -1) - 1;
    actor.observer.countChanged(actor, NULL_ADDR, count, seq);
    if (count === 0) wakeUpAll(actor, waitOf(ctx));
  },
  faultBegin: (actor, ctx) => load(actor, seqOf(ctx)) & 0x7fffffff,
  faultCheck: (actor, ctx, _umem, sample) =>
    load(actor, countOf(ctx)) === 0 && (load(actor, seqOf(ctx)) & 0x7fffffff) === sample,
  faultWait(actor, ctx, _umem, timeoutMs) {
    const ticket = waitPrepare(actor, waitOf(ctx));
    if (load(actor, countOf(ctx)) === 0) return true;
    return waitOn(actor, waitOf(ctx), ticket, timeoutMs);
  },
  faultWake: (actor, ctx) => wakeUpAll(actor, waitOf(ctx)),
  audit(actor, ctx, umem, report) {
    if (umem !== NULL_ADDR) return;
    const value = actor.mem[countOf(ctx)];
    if (value !== 0) report(NULL_ADDR, 'running count of the process', value, 0);
  },
  expected: () => ({
    must: [],
    may: ['starvation'],
    reason: 'the seed thread: "a per-process counter for invalidations, causing a possible performance degradation"',
  }),
};
