import type { Memory, Vpn } from '../memory/address.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import type { Mm } from './mm.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { mutexLock, mutexUnlock } = mutexModule;
const { downWrite, upWrite } = rwSemaphoreModule;
const { firstMapped, VMA } = vmaModule;

/**
 * mm_take_all_locks: keeps out every operation that changes the mm's page tables, from wherever it comes. The caller holds mmap_lock
 * W and calls `mmDropAllLocks` before it gives that back; in between it must not sleep for memory.
 *
 * Order: mmap_lock W, mm_all_locks_mutex, then i_mmap_rwsem W of each file that the mm maps, by the file's number. The kernel goes by
 * VMA and therefore needs the mutex: two takers might meet their files in opposite orders. By number they would not; the mutex is
 * kept, as it is part of the cost. No deadlock: nobody else holds one i_mmap_rwsem while it waits for another, nor waits for a mmap_lock or
 * the mutex while it holds one. Truncate holds it for reading across its sections, and inside them waits only for locks
 * that a taker takes later (umem_rwsem) or never; munmap holds mmap_lock across its section, and takes i_mmap_rwsem under it as here.
 *
 * The kernel takes the locks of the VMAs (v6.4 on) and of the anon_vmas, too; the model has no sections under those. A pending signal ends it
 * there with EINTR; the model has no signals.
 */
export function mmTakeAllLocks(actor: Actor, mm: Mm): void {
  const { allLocksMutex, files } = mm.world;
  mutexLock(actor, allLocksMutex);
  for (const file of files) if (mapsFile(actor.mem, mm, file.id)) downWrite(actor, file.iMmapRwsem);
}

/** mm_drop_all_locks. Under mmap_lock W the VMAs have not changed since, so the same files are found. */
export function mmDropAllLocks(actor: Actor, mm: Mm): void {
  const { allLocksMutex, files } = mm.world;
  for (let i = files.length - 1; i >= 0; i--) if (mapsFile(actor.mem, mm, i)) upWrite(actor, files[i].iMmapRwsem);
  mutexUnlock(actor, allLocksMutex);
}

/**
 * Whether a VMA of the mm maps the file. Detached VMAs are still in the file's list, but not here: the munmap that detached them
 * holds mmap_lock until it has unlinked them, so under W there are none.
 */
function mapsFile(mem: Memory, mm: Mm, file: number): boolean {
  const last = (mm.pages - 1) as Vpn;
  for (let vpn = firstMapped(mem, mm, 0 as Vpn, last); vpn >= 0; ) {
    const vma = mem[mm.vmaOf + vpn];
    if (mem[vma + VMA.file] === file) return true;
    const next = (mem[vma + VMA.last] + 1) as Vpn;
    vpn = next > last ? (-1 as Vpn) : firstMapped(mem, mm, next, last);
  }
  return false;
}
