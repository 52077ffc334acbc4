import { at, NULL_PFN, type Pfn, type Vpn } from '../memory/address.ts';
import { mutexUnlock, mutexTrylock as tryMutex } from '../sync/mutex.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { point } from '../trace/point.ts';
import { POINT } from '../trace/points.ts';
import { randomBelow } from '../trace/random.ts';
import { filemapReplaceFolio } from './file.ts';
import { underFolioLock } from './folio-lock.ts';
import {
  allocFrame,
  FRAME,
  frameAddr,
  frameRefs,
  identityFile,
  isFileIdentity,
  putFrame,
  tryGetFrame,
} from './frame.ts';
import type { Mm, MmWorld } from './mm.ts';
import { removeMigrationEntries, takeMapped, unmapFolio } from './reclaim.ts';

/** Compaction of one frame taken at random; false when it was free or could not be moved. */
export function migrateSome(actor: Actor, world: MmWorld): boolean {
  const pfn = (1 + randomBelow(actor, world.frames.count)) as Pfn;
  return tryGetFrame(actor, world.frames, pfn) && migrateFrame(actor, world, pfn);
}

/** move_pages for pages start .. last of an mm. Returns how many were moved. */
export function migrateRange(actor: Actor, mm: Mm, start: Vpn, last: Vpn): number {
  let moved = 0;
  for (let vpn = start as number; vpn <= last; vpn++) {
    const pfn = takeMapped(actor, mm, vpn as Vpn);
    if (pfn !== NULL_PFN && migrateFrame(actor, mm.world, pfn)) moved++;
  }
  return moved;
}

/**
 * migrate_folio: the page moves to another frame. Its entries become migration entries, each in a section; then it is copied, and the entries
 * lead to the new frame, of which no notifier is told. If somebody else refers to the page, it stays where it was. The caller has a
 * reference to the frame, which is given back here.
 */
const migrateFrame = (actor: Actor, world: MmWorld, pfn: Pfn): boolean =>
  underFolioLock(actor, world, pfn, migrateLocked);

function migrateLocked(actor: Actor, world: MmWorld, pfn: Pfn): boolean {
  const moved = moveTo(actor, world, pfn, frameAddr(world.frames, pfn));
  count(actor, moved ? COUNTER['op.migrate'] : COUNTER['fail.pageBusy']);
  return moved;
}

function moveTo(actor: Actor, world: MmWorld, pfn: Pfn, f: number): boolean {
  const { mem } = actor;
  const { frames } = world;
  const identity = mem[f + FRAME.identity];
  const isFile = isFileIdentity(identity);
  // A file's page that has left the cache is nobody's.
  if (isFile && mem[f + FRAME.inCache] === 0) return false;
  const to = allocFrame(actor, frames, identity);
  if (to === NULL_PFN) return false;
  // Block others from the new page until entries lead to it: who looks at frames at random, and who empties the cache.
  const toLock = at(frameAddr(frames, to), FRAME.folioLock);
  if (!tryMutex(actor, toLock)) {
    putFrame(actor, frames, to);
    return false;
  }
  point(actor, POINT['migrate.enter'], pfn, to, 0);
  unmapFolio(actor, world, pfn, false);
  const moved = isFile ? replaceInCache(actor, world, pfn, f, to) : replaceAnon(actor, world, pfn, f, to);
  removeMigrationEntries(actor, world, pfn, moved ? to : pfn);
  point(actor, POINT['migrate.done'], pfn, moved ? to : pfn, 0);
  mutexUnlock(actor, toLock);
  putFrame(actor, frames, to);
  return moved;
}

function replaceAnon(actor: Actor, world: MmWorld, pfn: Pfn, f: number, to: Pfn): boolean {
  const { mem } = actor;
  if (frameRefs(actor, world.frames, pfn) !== 1) return false;
  const t = frameAddr(world.frames, to);
  mem[t + FRAME.mapping] = mem[f + FRAME.mapping];
  mem[t + FRAME.index] = mem[f + FRAME.index];
  return true;
}

function replaceInCache(actor: Actor, world: MmWorld, pfn: Pfn, f: number, to: Pfn): boolean {
  const { mem } = actor;
  const file = world.files[identityFile(mem[f + FRAME.identity])];
  if (!filemapReplaceFolio(actor, file, world.frames, mem[f + FRAME.index], pfn, to)) return false;
  // The cache's reference to the old one.
  putFrame(actor, world.frames, pfn);
  return true;
}
