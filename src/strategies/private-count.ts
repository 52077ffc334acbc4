import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import * as runningCountModule from './running-count.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { insertUnderRwsem, removeUnderRwsem } = invalidationModule;
const { countedAudit, countedBegin, countedCheck, countedEnd, countedStart, countedWait, countedWake, RUNNING } =
  runningCountModule;

/**
 * The patch of the thread: each umem counts the sections that run over it.
 *
 * - start: umem_rwsem R; each overlapping umem: count +1, zap; release the rwsem.
 * - end: umem_rwsem R; each overlapping umem: sequence +1, count -1; at 0 wake the faults.
 * - fault: sample the sequence; get the page; under the umem mutex refuse when the count is not 0 or the sequence moved.
 * - register: insert into the tree under umem_rwsem W, mmap_lock held for reading.
 * - nothing ties a umem's birth to the sections that are running: their end will be the first it hears of them.
 */
export const privateCount: Strategy = {
  name: 'private-count',
  title: 'running count for each umem, registration under mmap_lock for reading',
  origin:
    'PATCH v1 for-next 06/16 "IB/core: Implement support for MMU notifiers regarding on demand paging regions", 2014',
  reasoning:
    'A umem born inside a section hears its end without its start: the count goes to -1, faults are refused until the next section, and are let through while that one runs.',
  params: {},
  words: { ucontext: 0, umem: RUNNING.$words, section: 0 },
  fields: { umem: RUNNING },
  pins: false,
  init() {},
  registerLocks: () => 'read',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart: (actor, ctx, _section, start, last, blockable) => countedStart(actor, ctx, start, last, blockable),
  rangeEnd: (actor, ctx, _section, start, last) => countedEnd(actor, ctx, start, last, false),
  faultBegin: (actor, _ctx, umem) => countedBegin(actor, umem),
  faultCheck: (actor, _ctx, umem, sample) => countedCheck(actor, umem, sample),
  faultWait: (actor, _ctx, umem, timeoutMs) => countedWait(actor, umem, timeoutMs),
  faultWake: (actor, _ctx, umem) => countedWake(actor, umem),
  audit: (actor, _ctx, umem, report) => countedAudit(actor, umem, report),
  expected: () => ({
    must: ['counter-underflow'],
    may: ['entry-in-section', 'stale-dma', 'stale-mapping', 'data-corruption', 'counter-leak', 'starvation'],
    reason: 'the seed thread, Shachar Raindel: "an mr with running notifiers count of -1, which is bad"',
  }),
};
