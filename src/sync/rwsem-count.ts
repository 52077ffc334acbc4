/**
 * Bits of a rwsem's `count`: see rw-semaphore.ts. In a file of their own because a controlled run reads them before any lock is loaded.
 */
export const COUNT = { WRITER: 1, WAITERS: 2, HANDOFF: 4, READER: 256 } as const;
