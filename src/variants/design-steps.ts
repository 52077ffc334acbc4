import { OUTCOME } from '../mm/outcome.ts';
import { insertUnderRwsem, removeUnderRwsem } from '../odp/invalidation.ts';
import { backOffOverlaps } from '../strategies/active-ranges.ts';
import { contextCount, countOf } from '../strategies/context-count.ts';
import { heldRwsem } from '../strategies/held-rwsem.ts';
import { listRange, rangeStack } from '../strategies/range-stack.ts';
import { rangeUnion } from '../strategies/range-union.ts';
import { add } from '../sync/atomics.ts';
import { downRead, downReadTrylock, upRead } from '../sync/rw-semaphore.ts';
import { variant } from './variant.ts';

/** Known bugs of single designs: one hook replaced. */

/** The range is listed after the callbacks. */
export const rangeListedLate = variant({
  base: rangeStack,
  name: 'range-listed-late',
  title: 'the range is listed after the callbacks',
  origin: '"mmu_notifier: keep track of active invalidation ranges" v1 and v2; the review of December 2014',
  family: 'publish/act order',
  bug: '7',
  oracles: ['stale-dma', 'entry-in-section', 'stale-mapping', 'data-corruption'],
  litmus: 'fault-against-madvise',
  replaces: {
    rangeStart(actor, ctx, section, start, last, blockable) {
      if (!blockable) return rangeStack.rangeStart(actor, ctx, section, start, last, blockable);
      // A fault that looks now finds no range, and nothing sends it back later.
      backOffOverlaps(actor, ctx, start, last);
      listRange(actor, ctx, section);
      return OUTCOME.ok;
    },
  },
});

/** A start that answers EAGAIN leaves umem_rwsem held. */
export const eagainKeepsRwsem = variant({
  base: heldRwsem,
  name: 'eagain-keeps-rwsem',
  title: 'a start that answers EAGAIN leaves umem_rwsem held',
  origin: '7608bf40cf24 "RDMA/odp: Fix missed unlock in non-blocking invalidate_start" (v5.3)',
  family: 'lock leak',
  bug: '6',
  oracles: ['deadlock', 'lock-order', 'starvation'],
  litmus: 'oom-reap-around-register',
  replaces: {
    rangeStart(actor, ctx, section, start, last, blockable) {
      const outcome = heldRwsem.rangeStart(actor, ctx, section, start, last, blockable);
      // No end will come, and so nobody lets go.
      if (outcome === OUTCOME.eagain) downReadTrylock(actor, ctx.umemRwsem);
      return outcome;
    },
  },
});

/** A start that answers EAGAIN leaves the count raised. */
export const eagainKeepsCount = variant({
  base: contextCount,
  name: 'eagain-keeps-count',
  title: 'a start that answers EAGAIN leaves the count raised',
  origin: '"mm/hmm: Fix error flows in hmm_invalidate_range_start" (v5.3)',
  family: 'unpaired',
  bug: '11',
  oracles: ['counter-leak', 'starvation'],
  litmus: 'oom-reap-around-register',
  replaces: {
    rangeStart(actor, ctx, section, start, last, blockable) {
      const outcome = contextCount.rangeStart(actor, ctx, section, start, last, blockable);
      // Raised before the trylock failed; no end will come.
      if (outcome === OUTCOME.eagain) add(actor, countOf(ctx), 1);
      return outcome;
    },
  },
});

/** The tree changes between a start and its end. */
export const unionUnfenced = variant({
  base: rangeUnion,
  name: 'union-unfenced',
  title: 'the tree changes between a start and its end',
  origin: '52ac8b358b0c "KVM: Block memslot updates across range_start() and range_end()" (v5.15)',
  family: 'unpaired',
  bug: '24',
  oracles: ['counter-underflow', 'counter-leak'],
  litmus: 'madvise-around-register',
  replaces: {
    keepsOut: false,
    insert: insertUnderRwsem,
    remove: removeUnderRwsem,
    // The rwsem keeps each walk of the tree whole, and nothing more.
    rangeStart(actor, ctx, section, start, last, blockable) {
      downRead(actor, ctx.umemRwsem);
      const outcome = rangeUnion.rangeStart(actor, ctx, section, start, last, blockable);
      upRead(actor, ctx.umemRwsem);
      return outcome;
    },
    rangeEnd(actor, ctx, section, start, last) {
      downRead(actor, ctx.umemRwsem);
      rangeUnion.rangeEnd(actor, ctx, section, start, last);
      upRead(actor, ctx.umemRwsem);
    },
  },
});
