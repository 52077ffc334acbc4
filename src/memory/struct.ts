import { LINE_WORDS } from './address.ts';

/** A field: its size in words, or an object when it must start a cache line of its own. */
export type FieldSpec = number | { readonly words: number; readonly line: true };

/** Field name to word offset, plus the size and alignment of the whole. */
export type Struct<K extends string> = { readonly [F in K]: number } & {
  readonly $name: string;
  /** Size in words, a multiple of `$align`. */
  readonly $words: number;
  /** 1, or a cache line when any field asks for one. */
  readonly $align: number;
};

/** Any struct, when its fields are looked up by word. */
export type AnyStruct = Readonly<Record<string, number | string>>;

/**
 * Declares a struct once: offsets are computed in declaration order, without padding except where a field asks to
 * start a cache line. Throws `RangeError` on a size that is not a positive whole number (a programming error).
 */
export function defineStruct<const S extends Readonly<Record<string, FieldSpec>>>(
  name: string,
  fields: S,
): Struct<Extract<keyof S, string>> {
  const out: Record<string, number | string> = {};
  let offset = 0;
  let align = 1;
  for (const [field, spec] of Object.entries(fields)) {
    const words = typeof spec === 'number' ? spec : spec.words;
    if (!Number.isInteger(words) || words <= 0)
      throw new RangeError(`${name}.${field}: ${words} is not a size in words`);
    if (typeof spec !== 'number') {
      align = LINE_WORDS;
      offset = alignUp(offset, LINE_WORDS);
    }
    out[field] = offset;
    offset += words;
  }
  out.$name = name;
  out.$align = align;
  out.$words = alignUp(offset, align);
  return Object.freeze(out) as Struct<Extract<keyof S, string>>;
}

/** The smallest multiple of `align` that is not below `value`. */
export function alignUp(value: number, align: number): number {
  return Math.ceil(value / align) * align;
}
