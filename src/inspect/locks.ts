import { REQUEST_QUEUE } from '../hca/device.ts';
import type { Addr } from '../memory/address.ts';
import { FILE } from '../mm/file.ts';
import { FRAME } from '../mm/frame.ts';
import { MM } from '../mm/mm.ts';
import { RMAP } from '../mm/rmap-root.ts';
import { VMA } from '../mm/vma.ts';
import { UCONTEXT } from '../odp/ucontext.ts';
import { UMEM } from '../odp/umem.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { COUNT } from '../sync/rwsem-count.ts';
import { SRCU } from '../sync/srcu.ts';
import { TASK, WAIT } from '../sync/task.ts';
import { fittedTable } from './lines.ts';
import type { Hold, PostMortem } from './post-mortem.ts';

type Kind = 'rwsem' | 'mutex' | 'spin' | 'srcu' | 'slots' | 'map';
/** The others are counts that are held without a class, but for the pseudo-locks, which are called by theirs. */
const CLASSED: readonly Kind[] = ['rwsem', 'mutex', 'spin'];

/** A lock that is not free, is held by somebody, or is waited for. */
export interface LockView {
  readonly addr: number;
  readonly name: string;
  readonly class: string;
  readonly kind: Kind;
  /** Its own word in words. */
  readonly state: string;
  readonly holders: readonly string[];
  readonly waiters: readonly string[];
}

/** Where locks lie: region, word of each of its objects, kind. Those of a strategy are known by their holders and waiters. */
const SITES: readonly (readonly [string, number, Kind])[] = [
  ['mm.mm', MM.mmapLock, 'rwsem'],
  ['mm.mm', MM.anonVmaLock + RMAP.rwsem, 'rwsem'],
  ['mm.ptl', 0, 'spin'],
  ['mm.srcu', SRCU.mutex, 'mutex'],
  ['mm.allLocks', 0, 'mutex'],
  ['mm.file', FILE.inodeLock, 'rwsem'],
  ['mm.file', FILE.invalidateLock, 'rwsem'],
  ['mm.file', FILE.iMmapRwsem + RMAP.rwsem, 'rwsem'],
  ['mm.file', FILE.xaLock, 'spin'],
  ['mm.vma', VMA.lock, 'rwsem'],
  ['mm.frame', FRAME.folioLock, 'mutex'],
  ['hca.queue', REQUEST_QUEUE.lock, 'spin'],
  ['odp.ucontext', UCONTEXT.umemRwsem, 'rwsem'],
  ['odp.ucontext', UCONTEXT.perMm, 'mutex'],
  ['odp.umem', UMEM.mutex, 'mutex'],
  ['odp.cache', 0, 'mutex'],
];

const KIND_OF_MODE: Readonly<Record<string, Kind>> = {
  mutex: 'mutex',
  spin: 'spin',
  read: 'rwsem',
  write: 'rwsem',
  srcu: 'srcu',
  map: 'map',
  slot: 'slots',
};
const KIND_OF_WAIT: Readonly<Record<number, Kind>> = {
  [WAIT.mutex]: 'mutex',
  [WAIT.spin]: 'spin',
  [WAIT.rwsemRead]: 'rwsem',
  [WAIT.rwsemWrite]: 'rwsem',
  [WAIT.srcu]: 'srcu',
  [WAIT.slot]: 'slots',
};

/** Locks in the order of their addresses. */
export function inspectLocks(p: PostMortem): LockView[] {
  const waiters = waitersOf(p);
  const kinds = new Map<number, Kind>();
  for (const [addr, { kind }] of waiters) kinds.set(addr, kind);
  for (const [addr, [hold]] of p.holders) kinds.set(addr, KIND_OF_MODE[hold!.mode] ?? 'mutex');
  for (const { name, base, stride, count } of p.dump.regions)
    for (const [region, offset, kind] of SITES)
      if (region === name)
        for (let i = 0; i < count; i++) {
          const addr = base + i * stride + offset;
          if (p.world.mem[addr] !== 0) kinds.set(addr, kind);
        }
  return [...kinds]
    .sort(([a], [b]) => a - b)
    .map(([addr, kind]) => ({
      addr,
      name: p.lockName(addr),
      class: CLASSED.includes(kind) ? lockClassName(p.world.mem, addr as Addr) : '-',
      kind,
      state: stateOf(p.world.mem[addr]!, kind),
      holders: holderNames(p, p.holders.get(addr) ?? []),
      waiters: waiters.get(addr)?.names ?? [],
    }));
}

function waitersOf({ world, threadName }: PostMortem): Map<number, { kind: Kind; names: string[] }> {
  const out = new Map<number, { kind: Kind; names: string[] }>();
  for (let tid = 0; tid < world.threads; tid++) {
    const t = world.taskAddr(tid);
    const wait = world.mem[t + TASK.waitKind]!;
    const kind = KIND_OF_WAIT[wait];
    if (kind === undefined) continue;
    const addr = world.mem[t + TASK.waitAddr]!;
    const entry = out.get(addr) ?? { kind, names: [] };
    const mode = wait === WAIT.rwsemRead ? ' (read)' : wait === WAIT.rwsemWrite ? ' (write)' : '';
    entry.names.push(`${threadName(tid)}${mode}`);
    out.set(addr, entry);
  }
  return out;
}

const holderNames = ({ threadName }: PostMortem, holds: readonly Hold[]): string[] =>
  holds.map(({ tid, mode }) =>
    mode === 'read' || mode === 'write' ? `${threadName(tid)} (${mode})` : threadName(tid),
  );

function stateOf(word: number, kind: Kind): string {
  if (kind === 'rwsem') {
    const readers = word >> 8;
    const parts = [
      ...((word & COUNT.WRITER) !== 0 ? ['writer'] : []),
      ...(readers !== 0 ? [`${readers} ${readers === 1 ? 'reader' : 'readers'}`] : []),
      ...((word & COUNT.WAITERS) !== 0 ? ['queue'] : []),
      ...((word & COUNT.HANDOFF) !== 0 ? ['promised'] : []),
    ];
    return parts.length === 0 ? 'free' : parts.join(', ');
  }
  if (kind === 'mutex' || kind === 'spin') return ['free', 'held', 'held, must wake'][word] ?? `word ${word}`;
  return '';
}

/** A lock that is not free and that nobody has published as held was being taken or given back, or belongs to a thread that died. */
export function lockLines(locks: readonly LockView[], width: number): string[] {
  if (locks.length === 0) return ['all locks are free'];
  return fittedTable(
    [{ title: 'lock' }, { title: 'class' }, { title: 'state' }, { title: 'held by' }, { title: 'waited for by' }],
    locks.map(({ addr, name, class: cls, kind, state, holders, waiters }) => [
      `${name} @${addr}`,
      cls,
      state === '' ? kind : state,
      holders.length === 0 ? (state === 'free' || state === '' ? '-' : '?') : holders.join(', '),
      waiters.length === 0 ? '-' : waiters.join(', '),
    ]),
    width,
  );
}
