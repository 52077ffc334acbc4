import { OdpError } from '../scenario/errors.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { fittedTable } from './lines.ts';
import type { PostMortem } from './post-mortem.ts';

export interface RegionView {
  readonly name: string;
  readonly base: number;
  readonly stride: number;
  readonly count: number;
  /** Its words are not in the dump, and read as 0. */
  readonly leftOut: boolean;
}

export interface WordView {
  readonly addr: number;
  readonly name: string;
  readonly value: number;
}

/** Words that are printed at once. */
const MAX_WORDS = 8192;

export const inspectRegions = ({ dump }: PostMortem): RegionView[] =>
  dump.regions.map(({ name, base, stride, count }) => ({
    name,
    base,
    stride,
    count,
    leftOut: dump.leftOut.includes(name),
  }));

/** Words of `mm.pte`, of `odp.umem 3` (one object), of an address, or of addresses `A..B`. Throws `ODP_E_USAGE`. */
export function inspectWords(p: PostMortem, given: readonly string[]): WordView[] {
  const [from, to] = wordRange(p, given);
  const usage = (message: string): OdpError => new OdpError({ code: 'ODP_E_USAGE', message });
  if (!(from >= 0 && to >= from && to < p.dump.words)) throw usage(`addresses are 0 to ${p.dump.words - 1}`);
  if (to - from >= MAX_WORDS)
    throw usage(`these are ${to - from + 1} words, at most ${MAX_WORDS} at once; name an object, as in 'odp.umem 3'`);
  return Array.from({ length: to - from + 1 }, (_, i) => ({
    addr: from + i,
    name: p.nameOf(from + i),
    value: p.world.mem[from + i]!,
  }));
}

function wordRange({ dump }: PostMortem, [what = '', which]: readonly string[]): readonly [number, number] {
  const addresses = /^(\d+)(?:\.\.(\d+))?$/.exec(what);
  if (addresses !== null) return [Number(addresses[1]), Number(addresses[2] ?? addresses[1])];
  const region = dump.regions.find(({ name }) => name === what);
  if (region === undefined)
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: `no region '${what}'${didYouMean(
        what,
        dump.regions.map(({ name }) => name),
      )}; give a region, or addresses as in 2288..2335`,
    });
  const { base, stride, count } = region;
  if (which === undefined) return [base, base + stride * count - 1];
  const i = /^\d+$/.test(which) ? Number(which) : -1;
  if (i < 0 || i >= count)
    throw new OdpError({ code: 'ODP_E_USAGE', message: `'${what}' has objects 0 to ${count - 1}, not '${which}'` });
  return [base + i * stride, base + (i + 1) * stride - 1];
}

export const regionLines = (regions: readonly RegionView[], width: number): string[] =>
  fittedTable(
    [
      { title: 'region' },
      { title: 'base', right: true },
      { title: 'stride', right: true },
      { title: 'objects', right: true },
      { title: '' },
    ],
    regions.map(({ name, base, stride, count, leftOut }) => [
      name,
      String(base),
      String(stride),
      String(count),
      leftOut ? 'not in the dump' : '',
    ]),
    width,
  );

export const wordLines = (words: readonly WordView[], width: number): string[] =>
  fittedTable(
    [
      { title: 'address', right: true },
      { title: 'decimal', right: true },
      { title: 'hex', right: true },
      { title: 'word' },
    ],
    words.map(({ addr, name, value }) => [String(addr), String(value), `0x${(value >>> 0).toString(16)}`, name]),
    width,
  );
