import type { Vpn } from '../memory/address.ts';
import { downRead, upRead } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import type { Mm } from './mm.ts';
import { invalidateRangeEnd, invalidateRangeStart } from './notifier.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { writeProtectRange } from './page-table.ts';
import { SECTION_EVENT } from './section.ts';
import { rangeValid } from './vma.ts';

/**
 * ioctl(PAGEMAP_SCAN) with PM_SCAN_WP_MATCHING (v6.7 on): write-protects pages under mmap_lock R, in one section. As it was merged, the section
 * began before mmap_lock was taken and ended after it was given back, so that it was covered by no lock that mm_take_all_locks takes.
 */
export function pagemapScan(actor: Actor, mm: Mm, start: Vpn, last: Vpn): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const inside = mm.world.steps.pagemapScanInsideLock;
  point(actor, POINT['pagemapScan.enter'], start, last, 0);
  if (inside) downRead(actor, mm.mmapLock);
  invalidateRangeStart(actor, mm, start, last, SECTION_EVENT.protectionVma, true);
  if (!inside) downRead(actor, mm.mmapLock);
  const changed = writeProtectRange(actor, mm, start, last);
  point(actor, POINT['section.cleared'], start, last, changed);
  if (!inside) upRead(actor, mm.mmapLock);
  invalidateRangeEnd(actor, mm);
  if (inside) upRead(actor, mm.mmapLock);
  count(actor, COUNTER['op.pagemapScan']);
  return OUTCOME.ok;
}
