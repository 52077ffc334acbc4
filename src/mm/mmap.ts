import { type Addr, NULL_ADDR, type Vpn } from '../memory/address.ts';
import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { MM, type Mm } from './mm.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { ANON_IDENTITIES, allocVma, firstMapped, insertVma, rangeValid, VMA, VMA_FLAGS, VMA_KIND } from './vma.ts';

/** mmap of private anonymous memory at a fixed place; EINVAL when it is occupied (the kernel's MAP_FIXED_NOREPLACE: EEXIST). */
export const mmapAnon = (actor: Actor, mm: Mm, start: Vpn, last: Vpn, writable: boolean): Outcome =>
  mmapRegion(actor, mm, start, last, writable, -1, 0);

/** mmap of a file, MAP_SHARED, at a fixed place. It may reach beyond i_size, but not beyond the pages that the file can have. */
export function mmapFile(
  actor: Actor,
  mm: Mm,
  start: Vpn,
  last: Vpn,
  fileId: number,
  pgoff: number,
  writable: boolean,
): Outcome {
  const file = mm.world.files[fileId];
  if (file === undefined || pgoff < 0 || pgoff + last - start >= file.maxPages) return OUTCOME.einval;
  return mmapRegion(actor, mm, start, last, writable, fileId, pgoff);
}

/** __mmap_region, without merging: neighbours stay VMAs of their own. */
function mmapRegion(
  actor: Actor,
  mm: Mm,
  start: Vpn,
  last: Vpn,
  writable: boolean,
  fileId: number,
  pgoff: number,
): Outcome {
  if (!rangeValid(mm, start, last)) return OUTCOME.einval;
  const { mem } = actor;
  downWrite(actor, mm.mmapLock);
  let outcome: Outcome = OUTCOME.einval;
  if (firstMapped(mem, mm, start, last) < 0) {
    const vma = allocVma(actor, mm.world);
    outcome = vma === NULL_ADDR ? OUTCOME.enomem : OUTCOME.ok;
    if (vma !== NULL_ADDR) {
      mem[vma + VMA.start] = start;
      mem[vma + VMA.last] = last;
      mem[vma + VMA.kind] = fileId < 0 ? VMA_KIND.anon : VMA_KIND.file;
      mem[vma + VMA.file] = fileId;
      mem[vma + VMA.pgoff] = fileId < 0 ? start : pgoff;
      mem[vma + VMA.rmap] = fileId < 0 ? mm.anonVma : mm.world.files[fileId].iMmap;
      mem[vma + VMA.anonBase] = fileId < 0 ? takeIdentities(actor, mm, last - start + 1) : 0;
      mem[vma + VMA.flags] = writable ? VMA_FLAGS.write : 0;
      mem[vma + VMA.mm] = mm.id;
      insertVma(actor, mm, vma);
    }
  }
  upWrite(actor, mm.mmapLock);
  if (outcome === OUTCOME.ok) {
    count(actor, COUNTER['op.mmap']);
    point(actor, POINT['mmap.done'], start, last, 0);
  }
  return outcome;
}

/** Stamps for `pages` new anonymous pages, from a counter that starts again at 1 when they would not fit. Under mmap_lock W. */
function takeIdentities(actor: Actor, mm: Mm, pages: number): number {
  const { mem } = actor;
  const word = (mm.addr + MM.anonNext) as Addr;
  const base = mem[word] + pages - 1 <= ANON_IDENTITIES ? mem[word] : 1;
  mem[word] = base + pages;
  return base;
}
