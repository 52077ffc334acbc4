import { setTimeout as sleep } from 'node:timers/promises';
import { type Addr, at, type Pfn } from '../../src/memory/address.ts';
import { FRAME, frameAddr } from '../../src/mm/frame.ts';
import { checkDeadlock, createDeadlockWatch } from '../../src/oracles/deadlock.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { type Bed, createBed, recordsOf } from './fixture.ts';
import { absent } from './threads.ts';

/** Looks as the supervisor does, until a deadlock is named or `looks` have been made. */
export async function look(bed: Bed, looks: number): Promise<boolean> {
  const watch = createDeadlockWatch(bed.world.threads);
  for (let i = 0; i < looks; i++) {
    if (checkDeadlock(bed.supervisor, bed.world.oracles, watch)) return true;
    await sleep(2);
  }
  return false;
}
export const SOME = 20;

/** A cell of two threads and the supervisor, or of three. */
export function cell(threads = 2): Bed {
  const bed = createBed(contextCount, { threads: threads + 1 });
  absent(bed, threads);
  return bed;
}
/** Mutexes that no one uses here otherwise: the folio locks of frames 1 and 2. */
export const mutexOf = (bed: Bed, n: number): Addr => at(frameAddr(bed.world.mm.frames, n as Pfn), FRAME.folioLock);
export const chainOf = (bed: Bed) =>
  recordsOf(bed, 'deadlock')[0]!.chain.map(({ tid, kind, addr, on }) => [tid, kind, addr, on]);
