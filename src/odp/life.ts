import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as slabModule from '../memory/slab.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as dataRaceModule from '../sync/data-race.ts';
import type { Actor } from '../trace/actor.ts';
import * as observerModule from '../trace/observer.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { at } = addressModule;
const { slabAllocated, slabFree } = slabModule;
const { load, store } = atomicsModule;
const { dataRace, dataRaceStore } = dataRaceModule;
const { LIFE } = observerModule;
const { UCONTEXT } = ucontextModule;
const { UMEM, umemExt } = umemModule;

/**
 * Lives, for the oracles use-after-free and double-free. A umem is type-stable, so that using a dead one breaks nothing by itself: it is
 * known by numbers. `UMEM.life` is odd while it is registered; its key, which no other life has, is what a page-fault handler
 * carries. The design cannot see these words. They are read and written racily: a driver that is right orders every use before the
 * free by locks of its own, and one that is not is looked for.
 */
const POISON_FREE = 0x6b6b6b6b;
const UMEM_LIFE = UMEM.life;
const UMEM_KEY = UMEM.key;
const CONTAINER_LIFE = UCONTEXT.life;

const look = (actor: Actor, ctx: Ucontext, word: Addr): number =>
  ctx.faulty === null ? dataRace(actor.mem, word) : load(actor, word);

function mark(actor: Actor, ctx: Ucontext, word: Addr, value: number): void {
  if (ctx.faulty === null) dataRaceStore(actor.mem, word, value);
  else store(actor, word, value);
}

/** A slot was handed out: the umem in it begins its life. */
export function umemBorn(actor: Actor, ctx: Ucontext, umem: Addr): void {
  mark(actor, ctx, at(umem, UMEM_LIFE), (dataRace(actor.mem, at(umem, UMEM_LIFE)) | 1) & 0x7fffffff);
}

/**
 * kfree of a umem. Its key and the design's words are poisoned: who still looks at them finds nothing that it can take for its own. The
 * words of the skeleton keep their values, as old keys may still be compared with them (see takeUmem).
 */
export function umemFree(actor: Actor, ctx: Ucontext, umem: Addr, index: number): void {
  const { mem } = actor;
  if (!slabAllocated(mem, ctx.slab, index)) {
    actor.observer.freedTwice(actor, LIFE.umem, index);
    return;
  }
  mark(actor, ctx, at(umem, UMEM_KEY), POISON_FREE);
  mark(actor, ctx, at(umem, UMEM_LIFE), (dataRace(mem, at(umem, UMEM_LIFE)) + 1) & 0x7fffffff);
  const ext = umemExt(umem);
  for (let i = 0; i < ctx.strategy.words.umem; i++) mem[ext + i] = POISON_FREE;
  if (!slabFree(mem, ctx.slab, actor.tid, index, ctx.depotLock)) actor.observer.freedTwice(actor, LIFE.umem, index);
}

/** A callback, or whoever changes the tree, has got hold of this umem: it must be alive. */
export function checkAlive(actor: Actor, ctx: Ucontext, umem: Addr): void {
  if ((look(actor, ctx, at(umem, UMEM_LIFE)) & 1) === 0)
    actor.observer.usedAfterFree(actor, LIFE.umem, actor.mem[umem + UMEM.index]);
}

/** A page-fault handler that came with `key` uses this umem: it must be in the life that it had then. */
export function checkUse(actor: Actor, ctx: Ucontext, umem: Addr, key: number): void {
  if (look(actor, ctx, at(umem, UMEM_KEY)) !== key)
    actor.observer.usedAfterFree(actor, LIFE.umem, actor.mem[umem + UMEM.index]);
}

/** A callback runs, or is about to return: the design's words are not yet anybody else's. */
export function checkContainer(actor: Actor, ctx: Ucontext): void {
  if ((look(actor, ctx, at(ctx.addr, CONTAINER_LIFE)) & 1) === 0)
    actor.observer.usedAfterFree(actor, LIFE.container, ctx.mm.id);
}

/** The design's words on the ucontext begin or end their life; the caller is alone with them. */
export function containerLives(actor: Actor, ctx: Ucontext, alive: boolean): void {
  const word = at(ctx.addr, CONTAINER_LIFE);
  const before = dataRace(actor.mem, word);
  if (((before & 1) !== 0) === alive) {
    if (!alive) actor.observer.freedTwice(actor, LIFE.container, ctx.mm.id);
    return;
  }
  mark(actor, ctx, word, (before + 1) & 0x7fffffff);
}
