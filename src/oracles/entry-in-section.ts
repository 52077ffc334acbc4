import * as deviceModule from '../hca/device.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Vpn } from '../memory/address.ts';
import * as addressModule from '../memory/address.ts';
import * as atomicsModule from '../sync/atomics.ts';
import type { Actor } from '../trace/actor.ts';
import * as namesModule from './names.ts';
import * as reportModule from './report.ts';
import type { OracleView } from './view.ts';
import * as viewModule from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ENTRY_PINNED, ENTRY_VALID, entryFrame, entryGeneration, MKEY, mkeyAddr } = deviceModule;
const { deviceReach, entryAddr } = devicePageTableModule;
const { at } = addressModule;
const { load, rawLoad } = atomicsModule;
const { ORACLE } = namesModule;
const { submit, violate } = reportModule;
const { VIOLATION } = viewModule;

/**
 * Just before its section ends, the invalidator looks whether the device can reach its range: between the return of start and end
 * no entry may be valid there, pinned ones excepted. The earliest sign of a broken design, and one that a later zap cannot hide.
 *
 * The hardware's reach count says in one load a page that there is nothing (it rises before an entry is valid). Anything else is a
 * hint, and the entries themselves are looked at: the count of an entry that was just cleared falls a moment later.
 */
export function checkEntriesInSection(actor: Actor, view: OracleView, mm: number, start: Vpn, last: Vpn): void {
  for (let vpn = start; vpn <= last; vpn++) {
    if (deviceReach(actor, view.hca, mm, vpn) === 0) continue;
    for (let index = 1; index < view.hca.mkeys; index++) checkKey(actor, view, index, mm, vpn, start, last);
  }
}

function checkKey(actor: Actor, view: OracleView, index: number, mm: number, vpn: Vpn, start: Vpn, last: Vpn): void {
  const { mem, hca } = view;
  const mkey = mkeyAddr(hca, index);
  const word = at(mkey, MKEY.key);
  const key = rawLoad(mem, word);
  if (key === 0 || mem[mkey + MKEY.mm] !== mm) return;
  const page = vpn - mem[mkey + MKEY.start];
  if (page < 0 || page >= mem[mkey + MKEY.pages]) return;
  // A step of a controlled run: whether the entry becomes valid before this look or after it is what the verdict hangs on.
  const entry = load(actor, entryAddr(hca, index, page));
  if ((entry & ENTRY_VALID) === 0 || (entry & ENTRY_PINNED) !== 0) return;
  // The key once more: unchanged, so the range and the entry that were read belong to one and the same registration.
  if (rawLoad(mem, word) !== key) return;
  const slot = violate(actor, view, ORACLE['entry-in-section']);
  if (slot === 0) return;
  mem[slot + VIOLATION.umem] = index;
  mem[slot + VIOLATION.key] = key;
  mem[slot + VIOLATION.mm] = mm;
  mem[slot + VIOLATION.start] = start;
  mem[slot + VIOLATION.last] = last;
  mem[slot + VIOLATION.page] = vpn;
  mem[slot + VIOLATION.frame] = entryFrame(entry);
  mem[slot + VIOLATION.entryGeneration] = entryGeneration(entry);
  submit(view, slot);
}
