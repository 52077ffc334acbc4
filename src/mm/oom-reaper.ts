import type { Addr, Vpn } from '../memory/address.ts';
import { upRead } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { downReadTrylock } from '../trace/trylock.ts';
import { tlbFinish } from './gather.ts';
import type { Mm } from './mm.ts';
import { hasNotifiers, invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { zapPteRange } from './page-table.ts';
import { SECTION_EVENT } from './section.ts';
import { firstMapped, rangeValid, VMA, vmaIsFile } from './vma.ts';

/**
 * __oom_reap_task_mm: takes the private memory of start .. last away from a process that is in the way, without waiting for anybody: a trylock of
 * mmap_lock, and for each VMA a start that must not block. EAGAIN from a notifier means that this VMA is left alone, and that there is no
 * end. Until v4.18 an mm with notifiers was left alone altogether. Returns `eagain` when anything was left.
 */
export function oomReap(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const { mem } = actor;
  point(actor, POINT['oomReaper.enter'], start, last, 0);
  if (mm.world.rules.oomReaperSkipsNotifiers && hasNotifiers(actor, mm)) return OUTCOME.eagain;
  if (!downReadTrylock(actor, mm.mmapLock)) return OUTCOME.eagain;
  let outcome: Outcome = OUTCOME.ok;
  for (let vpn = firstMapped(mem, mm, start, last); vpn >= 0; ) {
    const vma = mem[mm.vmaOf + vpn] as Addr;
    const to = Math.min(mem[vma + VMA.last], last) as Vpn;
    if (!vmaIsFile(mem, vma) && !reapVma(actor, mm, vpn, to)) outcome = OUTCOME.eagain;
    vpn = to >= last ? (-1 as Vpn) : firstMapped(mem, mm, (to + 1) as Vpn, last);
  }
  upRead(actor, mm.mmapLock);
  count(actor, COUNTER['op.oomReap']);
  return outcome;
}

function reapVma(actor: Actor, mm: Mm, start: Vpn, last: Vpn): boolean {
  if (invalidateRangeStart(actor, mm, start, last, SECTION_EVENT.clear, false) !== OUTCOME.ok) {
    count(actor, COUNTER['exposure.refusedStart']);
    return false;
  }
  const cleared = zapPteRange(actor, mm, start, last);
  point(actor, POINT['section.cleared'], start, last, cleared);
  invalidateRangeEnd(actor, mm);
  tlbFinish(actor, mm.world);
  return true;
}
