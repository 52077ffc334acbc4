import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as structModule from '../memory/struct.ts';
import * as outcomeModule from '../mm/outcome.ts';
import * as invalidationModule from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import * as trylockModule from '../trace/trylock.ts';
import { keptUntilEnd } from './held-in-section.ts';
import { privateCount } from './private-count.ts';
import * as runningCountModule from './running-count.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { defineStruct } = structModule;
const { OUTCOME } = outcomeModule;
const { firstOverlap, linkUmem, unlinkUmem } = invalidationModule;
const { downRead, downWrite, upRead, upWrite } = rwSemaphoreModule;
const { downReadTrylock } = trylockModule;
const { countOverlapsDown, countOverlapsUp } = runningCountModule;

/** The part of struct ib_ucontext_per_mm that is the design's. */
const PER_MM = defineStruct('ib_ucontext_per_mm', {
  /** 0: the notifier is about to go. Cleared under the rwsem held for writing, so that no section holds it for reading then. */
  active: { words: 1, line: true },
});
const isActive = (actor: Actor, ctx: Ucontext): boolean => actor.mem[ctx.ext + PER_MM.active] !== 0;

/** add_umem_to_per_mm: W is had only when no section runs. */
function insert(actor: Actor, ctx: Ucontext, umem: Addr): void {
  downWrite(actor, ctx.umemRwsem);
  linkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/** remove_umem_from_per_mm. */
function remove(actor: Actor, ctx: Ucontext, umem: Addr): void {
  downWrite(actor, ctx.umemRwsem);
  unlinkUmem(actor, ctx, umem);
  upWrite(actor, ctx.umemRwsem);
}

/**
 * v4.20 to v5.4: umem_rwsem is held for reading from start to end.
 *
 * - start: umem_rwsem R, and kept; each overlapping umem: count +1, zap. Not blockable: only tried, and EAGAIN if anything overlaps.
 * - end: each overlapping umem: sequence +1, count -1, at 0 wake; then umem_rwsem is released. After EAGAIN start has released it itself.
 * - fault: as in private-count. The count is now always that of the sections that really run.
 * - register, remove: umem_rwsem W, so each waits until no section of the process runs, and later sections queue behind it.
 * - a thread that nests a section while a writer is queued waits for itself; sections do not nest unless an operation makes them.
 */
export const heldRwsem: Strategy = {
  ...privateCount,
  name: 'held-rwsem',
  title: 'umem_rwsem held for reading from start to end',
  origin:
    'ca748c39ea3f "RDMA/umem: Get rid of per_mm->notifier_count" (v4.20), with the release after EAGAIN of 7608bf40cf24; until v5.4',
  reasoning:
    'The tree is the same at a start and at its end, so they pair without any other handshake. One long section holds up every registration, and the registration every later section of the process; with sections that nest, that is a deadlock.',
  registerLocks: () => 'none',
  keepsOut: true,
  words: { ...privateCount.words, ucontext: PER_MM.$words },
  fields: { ...privateCount.fields, ucontext: PER_MM },
  init(mem, ctx) {
    mem[ctx.ext + PER_MM.active] = 1;
  },
  insert,
  remove,
  /** put_per_mm: a section that starts from here on does not hold the rwsem, as nobody will tell it to let go. */
  leave(actor, ctx) {
    downWrite(actor, ctx.umemRwsem);
    actor.mem[ctx.ext + PER_MM.active] = 0;
    upWrite(actor, ctx.umemRwsem);
  },
  rangeStart(actor, ctx, _section, start, last, blockable) {
    if (blockable) downRead(actor, ctx.umemRwsem);
    else if (!downReadTrylock(actor, ctx.umemRwsem)) return OUTCOME.eagain;
    if (!isActive(actor, ctx)) {
      upRead(actor, ctx.umemRwsem);
      return OUTCOME.ok;
    }
    if (!blockable && firstOverlap(actor, ctx, start, last) !== NULL_ADDR) {
      // No end will come (7608bf40cf24).
      upRead(actor, ctx.umemRwsem);
      return OUTCOME.eagain;
    }
    countOverlapsUp(actor, ctx, start, last);
    return OUTCOME.ok;
  },
  rangeEnd(actor, ctx, _section, start, last) {
    if (!isActive(actor, ctx)) return;
    countOverlapsDown(actor, ctx, start, last, false);
    upRead(actor, ctx.umemRwsem);
  },
  expected: (_era, traits) => ({
    must: [],
    may: keptUntilEnd(traits),
    reason: traits.allocates
      ? 'safe; but the rwsem is not recursive: a section inside a section, or one that waits for a lock of the reverse map, waits behind a registration that waits for the outer one'
      : 'no region is born or removed inside a section; the rwsem serves its writers in turn, so none starves',
  }),
};
