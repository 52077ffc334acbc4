import { ENTRY_VALID } from '../../src/hca/device.ts';
import { entryAddr } from '../../src/hca/device-page-table.ts';
import { NULL_ADDR, type Vpn } from '../../src/memory/address.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { firstOverlap, nextOverlap } from '../../src/odp/invalidation.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import type { Ucontext } from '../../src/odp/ucontext.ts';
import { UMEM, umemLast, umemMutex, umemStart } from '../../src/odp/umem.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { exchange } from '../../src/sync/atomics.ts';
import { mutexLock, mutexUnlock } from '../../src/sync/mutex.ts';
import type { Actor } from '../../src/trace/actor.ts';

/** Clears the entries, and does not wait for the accesses that have translated already. */
function clearWithoutDrain(actor: Actor, ctx: Ucontext, start: Vpn, last: Vpn): void {
  const { mem } = actor;
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    const from = umemStart(mem, u);
    mutexLock(actor, umemMutex(u));
    for (let vpn = Math.max(start, from); vpn <= Math.min(last, umemLast(mem, u)); vpn++) {
      const word = entryAddr(ctx.hca, mem[u + UMEM.index]!, vpn - from);
      if ((mem[word]! & ENTRY_VALID) !== 0) exchange(actor, word, 0);
    }
    mutexUnlock(actor, umemMutex(u));
  }
}

/** Designs with a fault in them that real threads need by name. */
export const NO_DRAIN: Strategy = {
  ...contextCount,
  name: 'no-drain',
  rangeStart(actor, ctx, _section, start, last) {
    clearWithoutDrain(actor, ctx, start, last);
    return OUTCOME.ok;
  },
  rangeEnd() {},
};

/** A design by its name, planted ones included. */
export function strategyNamed(name: string): Strategy {
  const found = [...STRATEGIES, NO_DRAIN].find((s) => s.name === name);
  if (found === undefined) throw new Error(`no strategy '${name}'`);
  return found;
}
