import type { Addr, Memory, Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import type { Actor } from '../trace/actor.ts';
import type { Mm } from './mm.ts';
import * as rmapRootModule from './rmap-root.ts';
import * as vmaModule from './vma.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { NULL_ADDR } = addressModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { downWriteNestLock, upWrite } = rwSemaphoreModule;
const { rmapRwsem } = rmapRootModule;
const { firstMapped, VMA, vmaEndWrite, vmaLock } = vmaModule;

/**
 * mm_take_all_locks: keeps out every operation that changes the mm's page tables, from wherever it comes. The caller holds mmap_lock
 * W and calls `mmDropAllLocks` before it gives that back; in between it must not sleep for memory.
 *
 * Order: mmap_lock W, mm_all_locks_mutex, the locks of the VMAs (where there are such: v6.4 on), then the rwsem of each reverse map that
 * the mm is in, for writing: i_mmap_rwsem of the files by their numbers, the anon_vmas by their address spaces'. The kernel goes by VMA and
 * therefore needs the mutex: two takers might meet their files in opposite orders. In this order they would not; the mutex is kept, as it is
 * part of the cost. No deadlock: nobody else waits for a mmap_lock, the mutex or a second one of these rwsems while he holds one. Truncate,
 * reclaim and migration hold one for reading across their sections, and inside them wait only for locks that a taker takes later (umem_rwsem)
 * or never.
 *
 * A pending signal ends it in the kernel with EINTR; the model has no signals.
 */
export function mmTakeAllLocks(actor: Actor, mm: Mm): void {
  const { allLocksMutex, files, mms } = mm.world;
  mutexLock(actor, allLocksMutex);
  if (vmasToo(mm)) forEachVma(actor, mm, lockVma);
  for (const file of files) lockRoot(actor, mm, file.iMmap);
  for (const other of mms) lockRoot(actor, mm, other.anonVma);
}

/** mm_drop_all_locks. Under mmap_lock W the VMAs have not changed since, so the same ones are found. */
export function mmDropAllLocks(actor: Actor, mm: Mm): void {
  const { allLocksMutex, files, mms } = mm.world;
  for (let i = mms.length - 1; i >= 0; i--) unlockRoot(actor, mm, mms[i].anonVma);
  for (let i = files.length - 1; i >= 0; i--) unlockRoot(actor, mm, files[i].iMmap);
  if (vmasToo(mm)) forEachVma(actor, mm, vmaEndWrite);
  mutexUnlock(actor, allLocksMutex);
}

/** The step that v6.4 added when faults came to be handled under the VMA's lock alone. */
const vmasToo = ({ world }: Mm): boolean => world.rules.vmaLocks && world.steps.allLocksTakeVmas;

const lockVma = (actor: Actor, mm: Mm, vma: Addr): void => downWriteNestLock(actor, vmaLock(vma), mm.mmapLock);

function lockRoot(actor: Actor, mm: Mm, root: Addr): void {
  if (isIn(actor.mem, mm, root)) downWriteNestLock(actor, rmapRwsem(root), mm.mmapLock);
}

function unlockRoot(actor: Actor, mm: Mm, root: Addr): void {
  if (isIn(actor.mem, mm, root)) upWrite(actor, rmapRwsem(root));
}

/**
 * Whether a VMA of the mm is in this reverse map. Detached VMAs are still in it, but not here: the munmap that detached them holds mmap_lock
 * until it has unlinked them, so under W there are none.
 */
function isIn(mem: Memory, mm: Mm, root: Addr): boolean {
  for (let vma = nextVma(mem, mm, 0); vma !== NULL_ADDR; vma = nextVma(mem, mm, mem[vma + VMA.last] + 1))
    if (mem[vma + VMA.rmap] === root) return true;
  return false;
}

function forEachVma(actor: Actor, mm: Mm, visit: (actor: Actor, mm: Mm, vma: Addr) => void): void {
  const { mem } = actor;
  for (let vma = nextVma(mem, mm, 0); vma !== NULL_ADDR; vma = nextVma(mem, mm, mem[vma + VMA.last] + 1))
    visit(actor, mm, vma);
}

/** The first VMA at page `from` or behind it, or none. */
function nextVma(mem: Memory, mm: Mm, from: number): Addr {
  const vpn = from < mm.pages ? firstMapped(mem, mm, from as Vpn, (mm.pages - 1) as Vpn) : -1;
  return vpn < 0 ? NULL_ADDR : (mem[mm.vmaOf + vpn] as Addr);
}
