import type { Vpn } from '../memory/address.ts';
import { mmRevive } from '../mm/exit.ts';
import { mmapAnon, mmapFile } from '../mm/mmap.ts';
import { mmuNotifierRegister, primeRangeStart } from '../mm/notifier.ts';
import { OUTCOME, type Outcome } from '../mm/outcome.ts';
import { extend } from '../mm/truncate.ts';
import { notifierReopen } from '../odp/subscription.ts';
import type { AreaPlan } from '../scenario/plan.ts';
import type { Actor } from '../trace/actor.ts';
import { randomBelow } from '../trace/random.ts';
import type { World } from '../world/world.ts';

/** Maps pages start .. last of an area again, as the plan has them. */
export function mapArea(actor: Actor, world: World, area: AreaPlan, start: number, last: number): Outcome {
  const mm = world.mm.mms[area.mm]!;
  return area.file < 0
    ? mmapAnon(actor, mm, start as Vpn, last as Vpn, area.writable)
    : mmapFile(actor, mm, start as Vpn, last as Vpn, area.file, area.offset + start - area.at, area.writable);
}

/** As a cell begins: files at their full size, every area mapped, the notifier of each mm subscribed. */
export function setUpMemory(actor: Actor, world: World): void {
  for (const file of world.mm.files) extend(actor, world.mm, file, file.maxPages);
  for (const area of world.plan.memory.areas) {
    const outcome = mapArea(actor, world, area, area.at, area.at + area.pages - 1);
    if (outcome !== OUTCOME.ok) throw new Error(`area at page ${area.at}: mmap ended with ${outcome}`);
  }
  // Before any other thread runs: no section can be under way, which is what the kernel takes all locks for. A dynamic one comes with the
  // first region.
  if (world.plan.notifier === 'dynamic') return;
  primeRangeStart(actor);
  for (const mm of world.mm.mms) mmuNotifierRegister(actor, mm, 0);
}

/**
 * The process of an mm that has exited is followed by another: as the cell began, with no region. Whoever still holds a key of the one
 * before finds it gone; the caller has deregistered them all.
 */
export function reviveMm(actor: Actor, world: World, id: number): void {
  const mm = world.mm.mms[id]!;
  // Before the first VMA, or a section that comes through a reverse map could begin unheard, and end heard.
  notifierReopen(actor, world.contexts[id]!);
  for (const area of world.plan.memory.areas)
    if (area.mm === id) mapArea(actor, world, area, area.at, area.at + area.pages - 1);
  // Last: from here on others may take references, fault and register.
  mmRevive(actor, mm);
}

/** A random range inside one of a thread's areas; one object for each thread. */
export interface RandomRange {
  area: AreaPlan;
  start: Vpn;
  last: Vpn;
}

/** Chooses `min` .. `max` pages of a random area among `areas`. */
export function pickRange(actor: Actor, areas: readonly AreaPlan[], min: number, max: number, to: RandomRange): void {
  const area = areas[randomBelow(actor, areas.length)]!;
  const most = Math.min(max, area.pages);
  const least = Math.min(min, most);
  const pages = least + randomBelow(actor, most - least + 1);
  to.area = area;
  to.start = (area.at + randomBelow(actor, area.pages - pages + 1)) as Vpn;
  to.last = (to.start + pages - 1) as Vpn;
}

/** The areas of one mm, and an object to pick ranges into. */
export function areasOf(world: World, mm: number): { areas: readonly AreaPlan[]; range: RandomRange } {
  const areas = world.plan.memory.areas.filter((area) => area.mm === mm);
  const first = areas[0];
  if (first === undefined) throw new Error(`mm ${mm} has no area`);
  return { areas, range: { area: first, start: 0 as Vpn, last: 0 as Vpn } };
}
