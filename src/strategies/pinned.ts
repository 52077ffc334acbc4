import { OUTCOME } from '../mm/outcome.ts';
import { insertUnderRwsem, removeUnderRwsem } from '../odp/invalidation.ts';
import type { Strategy } from '../odp/strategy.ts';

/**
 * No on-demand paging: what a user falls back to.
 *
 * - register: get_user_pages over the whole range with mmap_lock R; each page keeps the reference until deregistration.
 * - start, end: nothing; the entries stay.
 * - fault: never; every entry is valid from the first moment.
 * - the device keeps seeing the old page after madvise or truncate: not a freed one, but no longer the CPU's.
 */
export const pinned: Strategy = {
  name: 'pinned',
  title: 'no ODP: pages pinned at registration',
  origin: 'ib_umem_get, the baseline of every RDMA driver',
  reasoning:
    'A pinned page is never freed under the device, so nothing can be stale in the sense of the oracles. Device and CPU part company by design: the audit counts such entries as incoherent-pinned.',
  params: {},
  words: { ucontext: 0, umem: 0, section: 0 },
  pins: true,
  init() {},
  registerLocks: () => 'none',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart: () => OUTCOME.ok,
  rangeEnd() {},
  faultBegin: () => 0,
  faultCheck: () => true,
  faultWait: () => true,
  faultWake() {},
  audit() {},
  expected: () => ({ must: [], may: [], reason: 'pinned pages are not freed' }),
};
