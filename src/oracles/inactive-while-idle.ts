import { type Addr, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { isSectionActive } from '../mm/section.ts';
import { forEachUmem, isSubscribed, type Ucontext } from '../odp/ucontext.ts';
import { UMEM, umemLast, umemMutex, umemStart } from '../odp/umem.ts';
import { mutexLock, mutexUnlock } from '../sync/mutex.ts';
import type { Actor } from '../trace/actor.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/**
 * inactive-while-idle: everybody is parked, no section runs, and a page fault of some region would be refused. Whatever could change
 * that lies with a thread, and all threads are between two operations: it takes a section that may never come. Asked as a fault
 * asks, by a sample and a check with nothing in between, so a design that lets faults through when nothing runs cannot make it fire.
 *
 * A region or process whose own values are wrong at rest is left to counter-leak: that it refuses faults is what comes of it. One umem is
 * one violation, told by its key.
 */
export function auditInactive(actor: Actor, view: OracleView, seen: Set<number>): void {
  const { mem } = view;
  for (const ctx of view.contexts) {
    if (
      !isSubscribed(mem, ctx) ||
      ctx.strategy.pins ||
      isSectionActive(actor, ctx.mm) ||
      misstated(actor, ctx, NULL_ADDR)
    )
      continue;
    forEachUmem(mem, ctx, (umem) => {
      const key = mem[umem + UMEM.key];
      if (seen.has(key) || mem[umem + UMEM.dying] !== 0) return;
      if (misstated(actor, ctx, umem) || !refuses(actor, ctx, umem)) return;
      seen.add(key);
      const slot = violate(actor, view, ORACLE['inactive-while-idle']);
      if (slot === 0) return;
      mem[slot + VIOLATION.umem] = mem[umem + UMEM.index];
      mem[slot + VIOLATION.key] = key;
      mem[slot + VIOLATION.mm] = ctx.mm.id;
      mem[slot + VIOLATION.start] = umemStart(mem, umem);
      mem[slot + VIOLATION.last] = umemLast(mem, umem);
      submit(view, slot);
    });
  }
}

/** A value of the design is not what the design says that it must be at rest. */
function misstated(actor: Actor, ctx: Ucontext, umem: Addr): boolean {
  let wrong = false;
  ctx.strategy.audit(actor, ctx, umem, () => {
    wrong = true;
  });
  return wrong;
}

function refuses(actor: Actor, ctx: Ucontext, umem: Addr): boolean {
  const { strategy } = ctx;
  const sample = strategy.faultBegin(actor, ctx, umem);
  if (sample < 0) return true;
  mutexLock(actor, umemMutex(umem));
  const ok = strategy.faultCheck(actor, ctx, umem, sample, umemStart(actor.mem, umem) as Vpn);
  mutexUnlock(actor, umemMutex(umem));
  return !ok;
}
