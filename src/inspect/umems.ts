import { ENTRY_PINNED, ENTRY_VALID, MKEY, mkeyAddr } from '../hca/device.ts';
import { entryAddr } from '../hca/device-page-table.ts';
import type { Addr, Memory } from '../memory/address.ts';
import { slabAllocated } from '../memory/slab.ts';
import type { AnyStruct } from '../memory/struct.ts';
import { intervalNodeInTree } from '../odp/interval-tree.ts';
import { UCONTEXT, umemAddr } from '../odp/ucontext.ts';
import { UMEM, umemExt, umemLast, umemStart } from '../odp/umem.ts';
import { wrapText } from '../report/format.ts';
import { fittedTable } from './lines.ts';
import type { PostMortem } from './post-mortem.ts';

/** A strategy's own words by the names that it gives them; a field of several words is a list. */
export type OwnWords = Readonly<Record<string, number | readonly number[]>>;

export interface UmemView {
  readonly index: number;
  /** 0: nobody can use it, not yet or not any more. */
  readonly key: number;
  readonly mm: number;
  readonly start: number;
  readonly last: number;
  readonly inTree: boolean;
  readonly dying: boolean;
  /** Page-fault handlers that use it. */
  readonly users: number;
  readonly life: number;
  readonly entries: { readonly valid: number; readonly pinned: number; readonly pages: number };
  readonly own: OwnWords;
}

/** What one process has open at the adapter. */
export interface ProcessView {
  readonly mm: number;
  /** Odd: the notifier is subscribed. */
  readonly life: number;
  readonly released: boolean;
  readonly umems: number;
  readonly own: OwnWords;
}

export interface UmemsView {
  readonly processes: readonly ProcessView[];
  readonly umems: readonly UmemView[];
}

export const inspectUmems = (p: PostMortem): UmemsView => ({
  processes: p.world.contexts.map((ctx) => ({
    mm: ctx.mm.id,
    life: p.world.mem[ctx.addr + UCONTEXT.life]!,
    released: p.world.mem[ctx.addr + UCONTEXT.released] !== 0,
    umems: p.world.mem[ctx.addr + UCONTEXT.count]!,
    own: ownWords(p.world.mem, ctx.ext, p.dump.strategy.fields.ucontext, p.dump.strategy.words.ucontext),
  })),
  umems: umemIndices(p).map((index) => umemView(p, index)),
});

/** Slots that are handed out. */
export function umemIndices({ world }: PostMortem): number[] {
  const ctx = world.contexts[0]!;
  const out: number[] = [];
  for (let index = 1; index < world.hca.mkeys; index++) if (slabAllocated(world.mem, ctx.slab, index)) out.push(index);
  return out;
}

function umemView({ world, dump }: PostMortem, index: number): UmemView {
  const { mem, hca } = world;
  const umem = umemAddr(world.contexts[0]!, index);
  const mkey = mkeyAddr(hca, index);
  const pages = Math.min(mem[mkey + MKEY.pages]!, hca.mttPages);
  let valid = 0;
  let pinned = 0;
  for (let page = 0; page < pages; page++) {
    const entry = mem[entryAddr(hca, index, page)]!;
    if ((entry & ENTRY_VALID) !== 0) valid++;
    if ((entry & ENTRY_PINNED) !== 0) pinned++;
  }
  return {
    index,
    key: mem[mkey + MKEY.key]!,
    mm: mem[umem + UMEM.mm]!,
    start: umemStart(mem, umem),
    last: umemLast(mem, umem),
    inTree: intervalNodeInTree(mem, umem),
    dying: mem[umem + UMEM.dying] !== 0,
    users: mem[umem + UMEM.users]!,
    life: mem[umem + UMEM.life]!,
    entries: { valid, pinned, pages },
    own: ownWords(mem, umemExt(umem), dump.strategy.fields.umem, dump.strategy.words.umem),
  };
}

/** Words of a table that are shown of one field. */
const FIELD_WORDS = 16;

/** The strategy's own `words` at `base`. Without names they are `word 0`, ... */
export function ownWords(mem: Memory, base: Addr, struct: AnyStruct | undefined, words: number): OwnWords {
  const named =
    struct === undefined
      ? Array.from({ length: words }, (_, i) => [`word ${i}`, i] as const)
      : Object.entries(struct).filter(
          (entry): entry is [string, number] => !entry[0].startsWith('$') && typeof entry[1] === 'number',
        );
  const sorted = [...named].sort(([, a], [, b]) => a - b);
  return Object.fromEntries(
    sorted.map(([name, offset], i) => {
      const length = Math.max(1, (sorted[i + 1]?.[1] ?? words) - offset);
      if (length === 1) return [name, mem[base + offset]!];
      return [name, [...mem.subarray(base + offset, base + offset + Math.min(length, FIELD_WORDS))]];
    }),
  );
}

/** `count=-1 seq=12 completion=[0 0 0]`. A field that is all 0 says so once. */
export const ownText = (own: OwnWords): string =>
  Object.entries(own)
    .map(
      ([name, value]) =>
        `${name}=${typeof value === 'number' ? value : value.some((word) => word !== 0) ? `[${value.join(' ')}]` : '[0]'}`,
    )
    .join(' ');

export function umemLines({ dump }: PostMortem, { processes, umems }: UmemsView, width: number): string[] {
  const about = dump.violation.umem;
  const lines = processes.flatMap(({ mm, life, released, umems: n, own }) => {
    const state = released ? 'gone' : (life & 1) !== 0 ? 'subscribed' : 'not subscribed';
    const text = ownText(own);
    return wrapText(
      `process ${mm}: ${n} umems, notifier ${state}${text === '' ? '' : `; ${dump.strategy.name}: ${text}`}`,
      width,
    );
  });
  if (about !== undefined && about > 0 && !umems.some(({ index }) => index === about))
    lines.push(`umem ${about}, which the violation is about, had gone by then`);
  if (umems.length === 0) return [...lines, 'no umem is registered'];
  return [
    ...lines,
    '',
    ...fittedTable(
      [
        { title: '' },
        { title: 'umem', right: true },
        { title: 'key' },
        { title: 'range' },
        { title: 'entries', right: true },
        { title: 'users', right: true },
        { title: 'state' },
        { title: dump.strategy.name },
      ],
      umems.map((umem) => [
        umem.index === about ? '>' : '',
        String(umem.index),
        umem.key === 0 ? '-' : `0x${umem.key.toString(16)}`,
        `${processes.length > 1 ? `mm ${umem.mm} ` : ''}[${umem.start}..${umem.last}]`,
        `${umem.entries.valid}/${umem.entries.pages}${umem.entries.pinned > 0 ? ' pinned' : ''}`,
        String(umem.users),
        [...(umem.inTree ? [] : ['not in tree']), ...(umem.dying ? ['dying'] : [])].join(', ') || 'in tree',
        ownText(umem.own),
      ]),
      width,
    ),
  ];
}
