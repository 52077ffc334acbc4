import { ENTRY_VALID, entryFrame, MKEY, mkeyAddr } from '../hca/device.ts';
import { entryAddr } from '../hca/device-page-table.ts';
import { at } from '../memory/address.ts';
import { pageWord } from '../odp/pages.ts';
import type { Actor } from '../trace/actor.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/** Who maps what the other does not, in the record's `reason`; `other`: both, and not the same. */
export const DISAGREE = { software: 0, hardware: 1, other: 2 } as const;

/**
 * hw-sw-disagree: everybody is parked, so no command is on its way, and the driver's list of what is mapped says another thing than the
 * device's table. Where the driver believes that a page is mapped and the device has no entry, the device faults on it for ever; the other
 * way round, no zap will ever be sent. One page of one registration is one violation.
 */
export function auditPageLists(actor: Actor, view: OracleView): void {
  const { mem, hca } = view;
  for (let index = 1; index < hca.mkeys; index++) {
    const mkey = mkeyAddr(hca, index);
    const key = mem[mkey + MKEY.key];
    if (key === 0) continue;
    for (let page = 0; page < mem[mkey + MKEY.pages]; page++) auditPage(actor, view, index, key, page);
  }
}

function auditPage(actor: Actor, view: OracleView, index: number, key: number, page: number): void {
  const { mem, hca } = view;
  const software = mem[pageWord(view.contexts[0]!, index, page)];
  const hardware = mem[entryAddr(hca, index, page)];
  if (software === hardware || ((software | hardware) & ENTRY_VALID) === 0) return;
  const told = at(view.disagreed, index * hca.mttPages + page);
  if (mem[told] === key) return;
  mem[told] = key;
  const slot = violate(actor, view, ORACLE['hw-sw-disagree']);
  if (slot === 0) return;
  const mkey = mkeyAddr(hca, index);
  mem[slot + VIOLATION.umem] = index;
  mem[slot + VIOLATION.key] = key;
  mem[slot + VIOLATION.mm] = mem[mkey + MKEY.mm];
  mem[slot + VIOLATION.page] = mem[mkey + MKEY.start] + page;
  mem[slot + VIOLATION.frame] = entryFrame((software & ENTRY_VALID) !== 0 ? software : hardware);
  mem[slot + VIOLATION.reason] =
    (hardware & ENTRY_VALID) === 0
      ? DISAGREE.software
      : (software & ENTRY_VALID) === 0
        ? DISAGREE.hardware
        : DISAGREE.other;
  submit(view, slot);
}
