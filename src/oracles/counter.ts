import type { Addr } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import type { Ucontext } from '../odp/ucontext.ts';
import * as ucontextModule from '../odp/ucontext.ts';
import * as umemModule from '../odp/umem.ts';
import type { Actor } from '../trace/actor.ts';
import * as namesModule from './names.ts';
import * as reportModule from './report.ts';
import type { OracleView } from './view.ts';
import * as viewModule from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { forEachUmem, isSubscribed } = ucontextModule;
const { UMEM, umemLast, umemStart } = umemModule;
const { ORACLE } = namesModule;
const { submit, violate } = reportModule;
const { VIOLATION } = viewModule;

/** counter-underflow: a running count has gone below zero. No design means a count to do that. */
export function checkCount(actor: Actor, view: OracleView, umem: Addr, value: number, seq: number): void {
  if (value >= 0) return;
  const slot = violate(actor, view, ORACLE['counter-underflow']);
  if (slot === 0) return;
  fillUmem(view, slot, umem);
  view.mem[slot + VIOLATION.value] = value;
  view.mem[slot + VIOLATION.expectedValue] = 0;
  view.mem[slot + VIOLATION.seq] = seq;
  submit(view, slot);
}

/**
 * counter-leak: everybody is parked, no section runs, and a value of the design is not what the design itself says that it must be
 * then. The design names value and expectation; that they differ is for this oracle to say. One umem's leak is one violation: it is told
 * by the key, which no other registration has. A design whose notifier is not subscribed has no words.
 */
export function auditCounters(actor: Actor, view: OracleView, seen: Set<number>): void {
  for (const ctx of view.contexts) {
    if (!isSubscribed(view.mem, ctx)) continue;
    const report = (umem: Addr, _name: string, value: number, expected: number): void => {
      const id = umem === NULL_ADDR ? -1 - ctx.mm.id : view.mem[umem + UMEM.key];
      if (seen.has(id)) return;
      seen.add(id);
      const slot = violate(actor, view, ORACLE['counter-leak']);
      if (slot === 0) return;
      fillUmem(view, slot, umem);
      view.mem[slot + VIOLATION.mm] = ctx.mm.id;
      view.mem[slot + VIOLATION.value] = value;
      view.mem[slot + VIOLATION.expectedValue] = expected;
      submit(view, slot);
    };
    ctx.strategy.audit(actor, ctx, NULL_ADDR, report);
    auditUmems(actor, view, ctx, report);
  }
}

function auditUmems(
  actor: Actor,
  view: OracleView,
  ctx: Ucontext,
  report: Parameters<Ucontext['strategy']['audit']>[3],
): void {
  forEachUmem(view.mem, ctx, (umem) => ctx.strategy.audit(actor, ctx, umem, report));
}

function fillUmem(view: OracleView, slot: Addr, umem: Addr): void {
  if (umem === NULL_ADDR) return;
  const { mem } = view;
  mem[slot + VIOLATION.umem] = mem[umem + UMEM.index];
  mem[slot + VIOLATION.key] = mem[umem + UMEM.key];
  mem[slot + VIOLATION.mm] = mem[umem + UMEM.mm];
  mem[slot + VIOLATION.start] = umemStart(mem, umem);
  mem[slot + VIOLATION.last] = umemLast(mem, umem);
}
