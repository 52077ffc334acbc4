import {
  ENTRY_GENERATION_MASK,
  ENTRY_PINNED,
  ENTRY_VALID,
  entryFrame,
  entryGeneration,
  MKEY,
  mkeyAddr,
} from '../hca/device.ts';
import { entryAddr } from '../hca/device-page-table.ts';
import { type Addr, at, type Vpn } from '../memory/address.ts';
import { frameGeneration } from '../mm/frame.ts';
import { pteFrame, ptePeek, ptePresent } from '../mm/page-table.ts';
import { type Actor, count } from '../trace/actor.ts';
import { COUNTER } from '../trace/counters.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/**
 * Everybody is parked between operations: whatever the device can reach, the CPU's page table must map, the same frame in the same
 * life. A lasting staleness, other than what a later event has repaired meanwhile. Pinned entries that differ are counted as what
 * they are, a fact about that baseline. One lasting entry is one violation, however many audits see it.
 */
export function auditMappings(actor: Actor, view: OracleView): void {
  const { mem, hca } = view;
  for (let index = 1; index < hca.mkeys; index++) {
    const mkey = mkeyAddr(hca, index);
    if (mem[mkey + MKEY.key] === 0) continue;
    const pages = mem[mkey + MKEY.pages];
    for (let page = 0; page < pages; page++) auditEntry(actor, view, mkey, index, page);
  }
}

function auditEntry(actor: Actor, view: OracleView, mkey: Addr, index: number, page: number): void {
  const { mem, hca } = view;
  const entry = mem[entryAddr(hca, index, page)];
  if ((entry & ENTRY_VALID) === 0) return;
  count(actor, COUNTER['audit.entries']);
  const mm = view.mm.mms[mem[mkey + MKEY.mm]]!;
  const vpn = (mem[mkey + MKEY.start] + page) as Vpn;
  const pfn = entryFrame(entry);
  const pte = ptePeek(mem, mm, vpn);
  const generation = frameGeneration(actor, view.mm.frames, pfn) & ENTRY_GENERATION_MASK;
  const same = ptePresent(pte) && pteFrame(pte) === pfn;
  if (same && generation === entryGeneration(entry)) return;
  if ((entry & ENTRY_PINNED) !== 0 && generation === entryGeneration(entry)) {
    count(actor, COUNTER['audit.incoherentPinned']);
    return;
  }
  const reported = at(view.reported, index * hca.mttPages + page);
  if (mem[reported] === entry) return;
  mem[reported] = entry;
  const slot = violate(actor, view, ORACLE['stale-mapping']);
  if (slot === 0) return;
  mem[slot + VIOLATION.umem] = index;
  mem[slot + VIOLATION.key] = mem[mkey + MKEY.key];
  mem[slot + VIOLATION.mm] = mm.id;
  mem[slot + VIOLATION.page] = vpn;
  mem[slot + VIOLATION.frame] = pfn;
  mem[slot + VIOLATION.entryGeneration] = entryGeneration(entry);
  mem[slot + VIOLATION.frameGeneration] = generation;
  mem[slot + VIOLATION.value] = ptePresent(pte) ? pteFrame(pte) : 0;
  submit(view, slot);
}
