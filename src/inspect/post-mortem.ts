import { addressNames } from '../explore/subject/address-names.ts';
import type { Addr } from '../memory/address.ts';
import type { Region } from '../memory/arena.ts';
import type { Strategy } from '../odp/strategy.ts';
import { type ArenaDump, alienDump, readDump } from '../results/arena-dump-read.ts';
import type { ImageStrategy } from '../results/arena-image.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { HELD, heldAddr, heldMode, TASK } from '../sync/task.ts';
import { attachWorld, layoutWorld, type World } from '../world/world.ts';

/** A dump with the views that its cell had over it. Nobody writes to it any more. */
export interface PostMortem {
  readonly dump: ArenaDump;
  readonly world: World;
  /** What lies at an address, as timelines call it. */
  readonly nameOf: (addr: number) => string;
  /** The same of a lock; one of lockdep's pseudo-locks, which are at no address of the model, by its class. */
  readonly lockName: (addr: number) => string;
  readonly threadName: (tid: number) => string;
  /** Who holds what, by address: threads that had published it when the image was taken. */
  readonly holders: ReadonlyMap<number, readonly Hold[]>;
}

export interface Hold {
  readonly tid: number;
  readonly addr: number;
  /** A name of HELD. */
  readonly mode: string;
}

const HELD_NAMES: readonly string[] = Object.keys(HELD);

/** Reads the dump of a violation. Throws as `readDump` does. */
export function openPostMortem(folder: string): PostMortem {
  const dump = readDump(folder);
  const strategy = shellOf(dump.strategy);
  const world = attached(dump, strategy);
  const name = addressNames(dump.plan, strategy);
  return {
    dump,
    world,
    nameOf: (addr) => name(addr, world.mem),
    lockName: (addr) =>
      addr >= world.lockDep && world.lockDep !== 0
        ? lockClassName(world.mem, addr as Addr)
        : name(addr, world.mem).replace(/^srcu idx/, 'srcu'),
    threadName: (tid) => dump.plan.threads[tid]?.name ?? `thread ${tid}`,
    holders: holdersOf(world),
  };
}

/**
 * A strategy's words without its steps. A user's own is not loaded: its file may have changed since, or be gone, and no code of it is
 * needed to read what it left.
 */
const shellOf = ({ name, words, fields }: ImageStrategy): Strategy =>
  ({ name, words, fields, params: {}, mmSteps: {} }) as unknown as Strategy;

function attached(dump: ArenaDump, strategy: Strategy): World {
  const { plan, folder } = dump;
  try {
    const layout = layoutWorld(plan, strategy);
    const regions = Object.values<Region>(layout.regions);
    if (layout.words === dump.words && JSON.stringify(regions) === JSON.stringify(dump.regions))
      return attachWorld(plan, dump.buffer, strategy);
  } catch (error) {
    throw alienDump(folder, `this version cannot lay its cell out: ${error instanceof Error ? error.message : error}`);
  }
  throw alienDump(
    folder,
    `odptorture ${dump.version} wrote it, which lays such a cell out otherwise; inspect it with that version`,
  );
}

function holdersOf(world: World): Map<number, Hold[]> {
  const out = new Map<number, Hold[]>();
  for (let tid = 0; tid < world.threads; tid++)
    for (const hold of holdsOf(world, tid)) out.set(hold.addr, [...(out.get(hold.addr) ?? []), hold]);
  return out;
}

/** What a thread holds, the oldest first. */
export function holdsOf({ mem, taskAddr }: World, tid: number): Hold[] {
  const t = taskAddr(tid);
  const holds: Hold[] = [];
  for (let i = 0; i < mem[t + TASK.heldCount]!; i++) {
    const word = mem[t + TASK.held + i]!;
    holds.push({ tid, addr: heldAddr(word), mode: HELD_NAMES[heldMode(word)] ?? `mode ${heldMode(word)}` });
  }
  return holds;
}

/** Milliseconds before the image was taken; a thread that went on while it was copied may be a little later. */
export const beforeImage = ({ dump }: PostMortem, timeMs: number): string =>
  `${Math.max(0, dump.takenAtMs - timeMs).toFixed(3)} ms before`;
