import { type Addr, at, type Memory } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { RW_SEMAPHORE, rwsemInit } from '../sync/rw-semaphore.ts';

/**
 * Where the reverse map begins: the VMAs that may map a page. A file has one (i_mmap_rwsem and i_mmap), and so has each address
 * space for its anonymous memory (the root anon_vma, which children of a fork share with their parent). A list where the kernel has
 * interval trees, as there are few VMAs here. The list and the bounds of its VMAs change under the rwsem held for writing.
 */
export const RMAP = defineStruct('rmap', { rwsem: RW_SEMAPHORE.$words, vmas: 1 });

/** An empty reverse map; the class names its rwsem in reports: i_mmap_rwsem or anon_vma_lock. */
export function rmapInit(mem: Memory, root: Addr, cls: number): void {
  mem[root + RMAP.vmas] = 0;
  rwsemInit(mem, rmapRwsem(root), cls);
}

export const rmapRwsem = (root: Addr): Addr => at(root, RMAP.rwsem);
