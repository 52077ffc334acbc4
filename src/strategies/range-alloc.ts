import type { Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as allocModule from '../mm/alloc.ts';
import * as outcomeModule from '../mm/outcome.ts';
import type { Strategy } from '../odp/strategy.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as atomicsModule from '../sync/atomics.ts';
import type { Actor } from '../trace/actor.ts';
import * as actorModule from '../trace/actor.ts';
import * as countersModule from '../trace/counters.ts';
import * as injectModule from '../trace/inject.ts';
import * as activeRangesModule from './active-ranges.ts';
import { backOffListed, rangePool } from './range-pool.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { mayReclaim } = allocModule;
const { OUTCOME } = outcomeModule;
const { add } = atomicsModule;
const { count } = actorModule;
const { COUNTER } = countersModule;
const { CAP, shouldFail } = injectModule;
const { COUNTED_SLOTS, lockRanges, MAX_SLOTS, sizeParam, takeSlot, unlockRanges } = activeRangesModule;

/** kmalloc(GFP_ATOMIC) and list_add: does not sleep, and may fail. */
function allocAndList(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): boolean {
  if (shouldFail(actor, CAP.failslab)) return false;
  const failEvery = ctx.params.failEvery!;
  if (failEvery !== 0) {
    const nth = (add(actor, at(ctx.ext, COUNTED_SLOTS.allocations), 1) + 1) >>> 0;
    if (nth % failEvery === 0) return false;
  }
  lockRanges(actor, ctx);
  const listed = takeSlot(actor.mem, ctx, ctx.params.size!, start, last);
  unlockRanges(actor, ctx);
  return listed;
}

/**
 * A range allocated in each start.
 *
 * - start: allocates a range without sleeping, as reclaim may be what called it; lists it, sends back the faults under way, zaps.
 * - with `sleeps` it waits for memory instead, in reclaim: under the locks of whoever began the section, and reclaim begins sections itself.
 * - without memory: EAGAIN where the caller takes that. In 2014 nobody did: the section goes on, and no list shows it.
 * - end: frees a range that is exactly its own, or one that another thread has listed for the same pages; else it does nothing.
 * - fault and register are those of range-pool.
 */
export const rangeAlloc: Strategy = {
  ...rangePool,
  name: 'range-alloc',
  title: 'a range allocated in start, which may fail',
  origin:
    'the seed thread, Jerome Glisse: "a struct allocated in the start range callback"; Shachar Raindel: "you need to handle the case of failing allocation, the solution to which is unclear to me"',
  reasoning:
    'As good as range-pool, and start never waits, as long as there is memory. Without it start cannot fail and cannot wait: a fault that begins inside a section that is not listed maps a page that is about to be freed.',
  params: {
    size: sizeParam({ default: MAX_SLOTS, min: 1, description: 'ranges that there is memory for' }),
    failEvery: { default: 0, min: 0, max: 1_000_000, description: 'every n-th allocation fails; 0: none' },
    sleeps: {
      default: 0,
      min: 0,
      max: 1,
      description: '1: allocates with GFP_KERNEL, which may sleep and enter reclaim',
    },
  },
  words: { ...rangePool.words, ucontext: COUNTED_SLOTS.$words },
  fields: { ...rangePool.fields, ucontext: COUNTED_SLOTS },
  rangeStart(actor, ctx, _section, start, last, blockable) {
    if (blockable && ctx.params.sleeps === 1) mayReclaim(actor, ctx.mm.world);
    if (!allocAndList(actor, ctx, start, last)) {
      if (!blockable) return OUTCOME.eagain;
      count(actor, COUNTER['exposure.unlistedSection']);
    }
    return backOffListed(actor, ctx, start, last, blockable);
  },
  expected(_era, traits, params) {
    const { size, failEvery, sleeps } = params;
    const injected = traits.fails?.includes('failslab') === true;
    if (sleeps === 1)
      return {
        must: ['lock-order'],
        may: ['deadlock', 'starvation', 'entry-in-section', 'stale-dma', 'stale-mapping', 'data-corruption'],
        reason:
          'start enters reclaim, which begins sections, and takes locks of the reverse map that the caller may hold',
      };
    if (failEvery === 0 && size === MAX_SLOTS && !injected)
      return { must: [], may: [], reason: 'every section has a range: as range-pool, and nobody waits in start' };
    // With 1 no section at all is listed: whatever fault falls into one goes through. With more it has to be the right one.
    const never = failEvery === 1;
    return {
      must: never ? ['entry-in-section'] : [],
      may: [...(never ? [] : ['entry-in-section']), 'stale-dma', 'stale-mapping', 'data-corruption'],
      reason: 'a section without a range is not seen by the faults that begin inside it',
    };
  },
};
