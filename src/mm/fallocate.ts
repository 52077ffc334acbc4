import { downWrite, upWrite } from '../sync/rw-semaphore.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { type File, fileSize } from './file.ts';
import type { MmWorld } from './mm.ts';
import { OUTCOME, type Outcome } from './outcome.ts';
import { unmapMappingRange } from './rmap.ts';
import { removeFilePages } from './truncate.ts';

/**
 * fallocate(FALLOC_FL_PUNCH_HOLE) of pages first .. last of a file: inode lock and invalidate_lock W, no mmap_lock; one pass of unmapping
 * (truncate has two), then the pages leave the cache. i_size stays, so a later fault gets an empty page; invalidate_lock keeps it out
 * until the hole is there.
 */
export function punchHole(actor: Actor, world: MmWorld, file: File, first: number, last: number): Outcome {
  if (first < 0 || first > last || last >= file.maxPages) return OUTCOME.einval;
  point(actor, POINT['punchHole.enter'], file.id, first, last);
  downWrite(actor, file.inodeLock);
  downWrite(actor, file.invalidateLock);
  unmapMappingRange(actor, world, file, first, last);
  removeFilePages(actor, world, file, first, Math.min(last + 1, fileSize(actor, file)));
  upWrite(actor, file.invalidateLock);
  upWrite(actor, file.inodeLock);
  count(actor, COUNTER['op.punchHole']);
  return OUTCOME.ok;
}
