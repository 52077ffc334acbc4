import {
  ENTRY_GENERATION_MASK,
  ENTRY_PINNED,
  ENTRY_VALID,
  ENTRY_WRITE,
  entryFrame,
  entryGeneration,
  MKEY,
  mkeyAddr,
} from '../hca/device.ts';
import { entryAddr, identityAddr } from '../hca/device-page-table.ts';
import type { Addr, Pfn } from '../memory/address.ts';
import { FRAME, frameAddr } from '../mm/frame.ts';
import { PTE, pteFrame, ptePresent } from '../mm/page-table.ts';
import { VMA, VMA_FLAGS, VMA_KIND } from '../mm/vma.ts';
import { identityName } from '../torture/record.ts';
import { fittedTable } from './lines.ts';
import type { PostMortem } from './post-mortem.ts';
import { umemIndices } from './umems.ts';

/** An entry of either table: which frame, of which generation, for whom. */
export interface EntryView {
  readonly frame: number;
  /** CPU: that of the frame now. Device: that for which the entry was made, modulo 4096. */
  readonly generation: number;
  readonly flags: readonly string[];
  /** What page of what backing it should show. */
  readonly identity: string;
}

export interface DeviceView extends EntryView {
  readonly umem: number;
  /** The frame's generation now, modulo 4096. */
  readonly generationNow: number;
  readonly verdict: 'same' | 'stale' | 'differs' | 'pinned';
}

export interface PageView {
  readonly page: number;
  readonly vma: string | null;
  readonly cpu: EntryView | null;
  /** Umems over the page; null: the umem has no valid entry. */
  readonly device: readonly (DeviceView | { readonly umem: number; readonly verdict: 'none' })[];
}

/** CPU page-table entries and device entries of pages start .. last of an mm, side by side. */
export function inspectRange(p: PostMortem, mm: number, start: number, last: number): PageView[] {
  const pages: PageView[] = [];
  const umems = umemIndices(p);
  const { mem, hca } = p.world;
  for (let page = start; page <= last; page++) {
    const over = umems.filter((index) => {
      const mkey = mkeyAddr(hca, index);
      const first = mem[mkey + MKEY.start]!;
      return mem[mkey + MKEY.mm] === mm && page >= first && page < first + mem[mkey + MKEY.pages]!;
    });
    const cpu = cpuView(p, mm, page);
    pages.push({ page, vma: vmaText(p, mm, page), cpu, device: over.map((index) => deviceView(p, index, page, cpu)) });
  }
  return pages;
}

const generationOf = ({ world }: PostMortem, pfn: number): number =>
  world.mem[frameAddr(world.mm.frames, pfn as Pfn) + FRAME.generation]! & ENTRY_GENERATION_MASK;

function vmaText({ world }: PostMortem, mm: number, page: number): string | null {
  const { mem } = world;
  const vma = mem[world.mm.mms[mm]!.vmaOf + page]! as Addr;
  if (vma === 0) return null;
  const kind = mem[vma + VMA.kind] === VMA_KIND.file ? `file ${mem[vma + VMA.file]}` : 'anon';
  return `${kind} [${mem[vma + VMA.start]}..${mem[vma + VMA.last]}]${(mem[vma + VMA.flags]! & VMA_FLAGS.write) !== 0 ? '' : ' read-only'}`;
}

function cpuView(p: PostMortem, mm: number, page: number): EntryView | null {
  const { mem } = p.world;
  const { pte: table, identityOf } = p.world.mm.mms[mm]!;
  const pte = mem[table + page]!;
  if (pte === 0) return null;
  const frame = pteFrame(pte);
  const flags = Object.entries(PTE).flatMap(([name, bit]) => (name !== 'present' && (pte & bit) !== 0 ? [name] : []));
  return {
    frame,
    generation: ptePresent(pte) ? generationOf(p, frame) : 0,
    flags: ptePresent(pte) ? flags : ['not present', ...flags],
    identity: identityName(mem[identityOf + page]!),
  };
}

function deviceView(p: PostMortem, umem: number, page: number, cpu: EntryView | null): PageView['device'][number] {
  const { mem, hca } = p.world;
  const at = page - mem[mkeyAddr(hca, umem) + MKEY.start]!;
  const entry = mem[entryAddr(hca, umem, at)]!;
  if ((entry & ENTRY_VALID) === 0) return { umem, verdict: 'none' };
  const frame = entryFrame(entry);
  const generation = entryGeneration(entry);
  const generationNow = generationOf(p, frame);
  const pinned = (entry & ENTRY_PINNED) !== 0;
  const same = cpu !== null && cpu.frame === frame && !cpu.flags.includes('not present');
  return {
    umem,
    frame,
    generation,
    flags: [...((entry & ENTRY_WRITE) !== 0 ? ['write'] : []), ...(pinned ? ['pinned'] : [])],
    identity: identityName(mem[identityAddr(hca, umem, at)]!),
    generationNow,
    verdict: generation !== generationNow ? 'stale' : same ? 'same' : pinned ? 'pinned' : 'differs',
  };
}

const entryText = ({ frame, generation, flags }: EntryView): string =>
  [`frame ${frame} gen ${generation}`, ...flags].join(' ');

const VERDICTS: Readonly<Record<DeviceView['verdict'] | 'none', (device: DeviceView) => string>> = {
  none: () => '',
  same: () => 'as the CPU',
  stale: ({ generationNow }) => `STALE: freed since, the frame is at gen ${generationNow}`,
  differs: () => 'DIFFERS from the CPU',
  pinned: () => 'pinned, differs',
};

export function rangeLines(pages: readonly PageView[], width: number): string[] {
  const rows = pages.flatMap(({ page, vma, cpu, device }) => {
    const left = [String(page), vma ?? '-', cpu === null ? '-' : entryText(cpu), cpu?.identity ?? ''];
    if (device.length === 0) return [[...left, '-', '', '', '']];
    return device.map((one, i) => [
      ...(i === 0 ? left : ['', '', '', '']),
      String(one.umem),
      one.verdict === 'none' ? '-' : entryText(one),
      one.verdict === 'none' ? '' : one.identity,
      one.verdict === 'none' ? '' : VERDICTS[one.verdict](one),
    ]);
  });
  return fittedTable(
    [
      { title: 'page', right: true },
      { title: 'vma' },
      { title: 'CPU entry' },
      { title: 'shows' },
      { title: 'umem', right: true },
      { title: 'device entry' },
      { title: 'made for' },
      { title: '' },
    ],
    rows,
    width,
  );
}
