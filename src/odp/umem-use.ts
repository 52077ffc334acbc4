import * as deviceModule from '../hca/device.ts';
import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import * as taskModule from '../sync/task.ts';
import type { Actor } from '../trace/actor.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { keyIndex, MKEY, mkeyAddr } = deviceModule;
const { at, NULL_ADDR } = addressModule;
const { add, load, loadAfterAtomic, notify, wait } = atomicsModule;
const { clearWait, HELD, popHeld, publishWait, pushHeldRaw, WAIT } = taskModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { umemAddr } = ucontextModule;
const { UMEM } = umemModule;

/**
 * The umem of a key with a use of it, or 0 (mlx5: refcount_inc_not_zero under the mkey table's lock; the 2014 code held SRCU, which
 * made a deregistration wait for the handlers of all keys). The use is counted before the key is compared: a deregistration that
 * has destroyed the key sees the use, or this sees that the key is gone. Umems are type-stable, so counting on an old one harms nobody.
 */
export function takeUmem(actor: Actor, ctx: Ucontext, key: number): Addr {
  const index = keyIndex(key);
  const umem = umemAddr(ctx, index);
  const users = at(umem, UMEM.users);
  if (ctx.faulty !== null && !ctx.faulty.useBeforeKey) return takeUncounted(actor, ctx, umem, key);
  add(actor, users, 1);
  if (loadAfterAtomic(actor, at(mkeyAddr(ctx.hca, index), MKEY.key)) === key) {
    pushHeldRaw(actor, users, HELD.srcu);
    return umem;
  }
  releaseUse(actor, umem, users);
  return NULL_ADDR;
}

/** aa116b810ac9 the other way round: between the look at the key and the count, a deregistration sees no use, and frees. */
function takeUncounted(actor: Actor, ctx: Ucontext, umem: Addr, key: number): Addr {
  if (load(actor, at(mkeyAddr(ctx.hca, keyIndex(key)), MKEY.key)) !== key) return NULL_ADDR;
  point(actor, POINT['umem.found'], key, keyIndex(key), 0);
  add(actor, at(umem, UMEM.users), 1);
  pushHeldRaw(actor, at(umem, UMEM.users), HELD.srcu);
  return umem;
}

/** Gives the use back. */
export function putUmem(actor: Actor, umem: Addr): void {
  const users = at(umem, UMEM.users);
  popHeld(actor, users, HELD.srcu);
  releaseUse(actor, umem, users);
}

function releaseUse(actor: Actor, umem: Addr, users: Addr): void {
  // Counted down before `dying` is read, which is set before the count is read there: one of the two sees the other.
  if (add(actor, users, -1) === 1 && loadAfterAtomic(actor, at(umem, UMEM.dying)) !== 0)
    notify(actor, users, Number.POSITIVE_INFINITY);
}

/** Sleeps until no handler uses the umem (mlx5r_deref_wait_odp_mkey). */
export function waitForHandlers(actor: Actor, umem: Addr): void {
  const users = at(umem, UMEM.users);
  let n = load(actor, users);
  if (n === 0) return;
  publishWait(actor, WAIT.srcu, users, users, false);
  for (; n !== 0; n = load(actor, users)) wait(actor, users, n, Number.POSITIVE_INFINITY);
  clearWait(actor);
}
