/**
 * Every named step of the protocol, with what its three arguments mean. The order of this list is the number that rings and
 * race logs carry; append, never reorder. A point means the same under every strategy.
 */
export const POINT_TABLE = [
  ['none', []],
  // mm: operations, in the order in which they take their locks
  ['madvise.enter', ['start', 'last', '']],
  ['munmap.enter', ['start', 'last', '']],
  ['mmap.done', ['start', 'last', '']],
  ['truncate.enter', ['file', 'size', '']],
  ['truncate.sized', ['file', 'size', '']],
  ['truncate.pass1', ['file', 'size', '']],
  ['truncate.removed', ['file', 'index', 'frame']],
  ['truncate.pass2', ['file', 'size', '']],
  ['extend.done', ['file', 'size', '']],
  // mm: one section of an invalidator
  ['section.starting', ['start', 'last', 'section']],
  ['section.started', ['start', 'last', 'section']],
  ['section.cleared', ['start', 'last', 'frames']],
  ['section.ending', ['start', 'last', 'section']],
  ['section.ended', ['start', 'last', 'section']],
  ['frame.freed', ['frame', 'generation', 'identity']],
  ['mm.faulted', ['page', 'write', 'outcome']],
  ['cpu.read', ['page', 'frame', 'identity']],
  ['cpu.write', ['page', 'frame', 'identity']],
  // odp: registration
  ['register.enter', ['start', 'last', 'key']],
  ['umem.inserted', ['umem', 'start', 'last']],
  ['umem.deferred', ['umem', 'start', 'last']],
  ['register.done', ['key', 'umem', 'outcome']],
  ['deregister.enter', ['key', 'umem', '']],
  ['umem.removed', ['umem', 'start', 'last']],
  ['deregister.done', ['key', '', '']],
  // odp: what a notifier does to one umem
  ['umem.counted', ['umem', 'count', 'seq']],
  ['umem.zapped', ['umem', 'start', 'last']],
  ['umem.uncounted', ['umem', 'count', 'seq']],
  ['umem.clamped', ['umem', 'count', 'seq']],
  // odp: a page fault of the HCA
  ['fault.enter', ['key', 'index', 'write']],
  ['fault.sampled', ['umem', 'page', 'seq']],
  ['fault.gotPages', ['page', 'frame', 'generation']],
  ['fault.checked', ['umem', 'page', 'ok']],
  ['fault.committed', ['umem', 'page', 'frame']],
  ['fault.retried', ['umem', 'page', 'attempt']],
  ['fault.failed', ['key', 'index', 'outcome']],
  ['fault.resumed', ['key', 'index', 'qp']],
  // hca
  ['dma.translated', ['key', 'page', 'frame']],
  ['dma.accessed', ['page', 'frame', 'generation']],
  ['dma.faulted', ['key', 'index', 'qp']],
  // sync, from the slow paths only
  ['lock.contended', ['lock', 'mode', 'class']],
  ['lock.acquired', ['lock', 'mode', 'class']],
  // torture
  ['verb.begin', ['verb', 'start', 'last']],
  ['verb.end', ['verb', 'outcome', '']],
  // mm: a start that answered EAGAIN; the section is over
  ['section.refused', ['start', 'last', 'section']],
  // odp: a region is about to be put on a list of those that wait, having been found to have to (umem.deferred)
  ['umem.queueing', ['umem', 'start', 'last']],
  // odp: the end callback has left the tree, and is about to count the section out of the process
  ['process.uncounting', ['start', 'last', '']],
  // mm: the other invalidators
  ['punchHole.enter', ['file', 'first', 'last']],
  ['mprotect.enter', ['start', 'last', 'write']],
  ['mremap.enter', ['start', 'last', 'to']],
  ['mremap.moved', ['start', 'last', 'to']],
  ['fork.enter', ['start', 'last', 'child']],
  ['fork.copied', ['start', 'last', 'child']],
  ['reclaim.enter', ['frame', 'page', 'direct']],
  ['reclaim.done', ['frame', 'freed', '']],
  ['migrate.enter', ['frame', 'to', '']],
  ['migrate.done', ['frame', 'to', '']],
  ['oomReaper.enter', ['start', 'last', '']],
  ['exit.enter', ['mm', '', '']],
  ['exit.released', ['mm', '', '']],
  ['exit.done', ['mm', '', '']],
  ['collapse.enter', ['start', 'last', '']],
  ['pagemapScan.enter', ['start', 'last', '']],
  // trace/inject: a call is made to fail, the thread's n-th of that capability
  ['inject.failed', ['capability', 'call', '']],
  // odp: the first region of a process has come, or its last has gone
  ['notifier.subscribed', ['mm', '', '']],
  ['notifier.unsubscribed', ['mm', '', '']],
  // odp, under a known bug: a handler has found its key and not yet counted its use; a zap command is posted after its time; a key is
  // there before its umem, or has been destroyed before the region was revoked
  ['umem.found', ['key', 'umem', '']],
  ['zap.posting', ['umem', 'first', 'last']],
  ['key.published', ['key', 'umem', '']],
  ['key.destroyed', ['umem', '', '']],
] as const satisfies readonly (readonly [string, readonly string[]])[];

export type PointName = (typeof POINT_TABLE)[number][0];

/** Point name to number. */
export const POINT = Object.freeze(Object.fromEntries(POINT_TABLE.map(([name], i) => [name, i]))) as unknown as {
  readonly [K in PointName]: number;
};

export const POINT_COUNT = POINT_TABLE.length;
export const pointName = (point: number): PointName => POINT_TABLE[point]?.[0] ?? 'none';
