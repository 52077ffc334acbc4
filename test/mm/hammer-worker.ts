import { parentPort, workerData } from 'node:worker_threads';
import { type Addr, at, type Memory } from '../../src/memory/address.ts';
import { cpuAccess, getUserPage } from '../../src/mm/fault.ts';
import { frameGeneration, putFrame, stampRead } from '../../src/mm/frame.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import type { Mm, MmOptions } from '../../src/mm/mm.ts';
import { mmapAnon, mmapFile } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { extend, truncate } from '../../src/mm/truncate.ts';
import { rawAdd, rawLoad } from '../../src/sync/atomics.ts';
import { downRead, upRead } from '../../src/sync/rw-semaphore.ts';
import type { Actor } from '../../src/trace/actor.ts';
import { COUNTER, type CounterName } from '../../src/trace/counters.ts';
import { NULL_OBSERVER } from '../../src/trace/observer.ts';
import { createPerturb } from '../../src/trace/perturb.ts';
import { randomBelow } from '../../src/trace/random.ts';
import { attachWorld, sharedWord, vpn, type World } from './fixture.ts';

export interface HammerData {
  readonly mem: Memory;
  readonly plan: MmOptions;
  readonly tid: number;
  readonly seed: number;
  readonly perturbed: boolean;
}

export interface HammerResult {
  readonly complaints: readonly string[];
  readonly operations: number;
  readonly counters: Readonly<Record<string, number>>;
}

const data = workerData as HammerData;
const complaints: string[] = [];
const complain = (what: string): void => {
  if (complaints.length < 10) complaints.push(`thread ${data.tid}: ${what}`);
};

function makeWorld(): World {
  const { mem, plan } = data;
  const observer = {
    ...NULL_OBSERVER,
    frameReused: (_a: Actor, pfn: number, intact: boolean): void => {
      if (!intact) complain(`frame ${pfn} was written while free`);
    },
    cpuAccessed: (_a: Actor, page: number, pfn: number, expected: number, found: number): void =>
      complain(`page ${page} frame ${pfn}: ${found} instead of ${expected}`),
  };
  const w = attachWorld(mem, plan, { observer, mode: data.perturbed ? 2 : 0, seed: data.seed });
  // Counts the open sections of each mm, as a strategy would: never below zero, and zero in the end.
  for (const mm of w.world.mms) {
    const word = at(sharedWord(plan, 1), mm.id);
    mm.subscriptions.push({
      index: 0,
      rangeStart: () => {
        rawAdd(mem, word, 1);
        return OUTCOME.ok;
      },
      rangeEnd: () => {
        if (rawAdd(mem, word, -1) <= 0) complain(`mm ${mm.id}: an end without a start`);
      },
      release() {},
    });
  }
  return w;
}

function gup(actor: Actor, mm: Mm, page: number): void {
  const { mem } = actor;
  downRead(actor, mm.mmapLock);
  const outcome = getUserPage(actor, mm, vpn(page), (page & 1) === 0);
  upRead(actor, mm.mmapLock);
  if (outcome !== OUTCOME.ok) return;
  // The reference keeps the frame, whatever happens to the mapping meanwhile.
  for (let i = 0; i < 3; i++) {
    const found = stampRead(mem, mm.frames, actor.gupPfn);
    if (found !== actor.gupIdentity) complain(`a held frame carries ${found}, not ${actor.gupIdentity}`);
    if (frameGeneration(actor, mm.frames, actor.gupPfn) !== actor.gupGeneration) complain('a held frame was freed');
  }
  putFrame(actor, mm.frames, actor.gupPfn);
}

function step(w: World, actor: Actor): void {
  const { world } = w;
  const mm = world.mms[randomBelow(actor, world.mms.length)];
  const page = randomBelow(actor, mm.pages);
  const last = Math.min(mm.pages - 1, page + randomBelow(actor, 12));
  const file = world.files[randomBelow(actor, world.files.length)];
  const pick = randomBelow(actor, 100);
  if (pick < 30) cpuAccess(actor, mm, vpn(page), (pick & 1) === 0);
  else if (pick < 55) gup(actor, mm, page);
  else if (pick < 80) madviseDontneed(actor, mm, vpn(page), vpn(last));
  // Few of those that shut everybody else out, or hardly two sections would ever meet.
  else if (pick < 82) munmap(actor, mm, vpn(page), vpn(last));
  else if (pick < 84) mmapAnon(actor, mm, vpn(page), vpn(last), pick !== 82);
  else if (pick < 88) mmapFile(actor, mm, vpn(page), vpn(last), file.id, randomBelow(actor, 8), true);
  else if (pick < 93) truncate(actor, world, file, randomBelow(actor, file.maxPages));
  else extend(actor, world, file, file.maxPages);
}

const w = makeWorld();
const { mem, plan } = data;
const made = w.actors[data.tid];
const actor: Actor = data.perturbed
  ? {
      ...made,
      perturb: createPerturb(
        { site: 0.6, fire: 0.1, spinMaxUs: 20, sleep: 0.1, sleepMaxUs: 200, always: [] },
        data.seed,
        sharedWord(plan, 2),
      ),
    }
  : made;
const stop: Addr = sharedWord(plan, 0);
let operations = 0;
// Bounded also without the stop word.
while (rawLoad(mem, stop) === 0 && operations < 5_000_000) {
  step(w, actor);
  operations++;
}
const read = (name: CounterName): [string, number] => [name, actor.f64[actor.counters + COUNTER[name]]];
const result: HammerResult = {
  complaints,
  operations,
  counters: Object.fromEntries(
    (['op.madvise', 'op.munmap', 'op.mmap', 'op.truncate', 'op.extend', 'op.touchWrite', 'op.section'] as const)
      .map(read)
      .concat([read('exposure.overlappingSections')]),
  ),
};
parentPort!.postMessage(result);
