import { mix32 } from './random-stream.ts';

/** Words of an entry that the table itself needs: whose it is, and of which log. */
const OWN_WORDS = 2;
const MIN_SLOTS = 64;

/**
 * What is known of each word while a log is read: an open hash table over small numbers, used again for every log. Emptying it costs
 * nothing, since entries of earlier logs count as free; it allocates only when it meets a longer log than ever before.
 */
export class WordTable {
  /** An entry's words are `data[at] .. data[at + words - 1]`, with `at` from `entryOf`. */
  data: Int32Array = new Int32Array(0);
  private readonly stride: number;
  private mask = 0;
  private generation = 0;

  constructor(words: number) {
    this.stride = OWN_WORDS + words;
  }

  /** Makes it empty, with room for the words of a log of so many steps: never more than half full. */
  clear(steps: number): void {
    let slots = MIN_SLOTS;
    while (slots < 2 * steps) slots *= 2;
    if (slots * this.stride > this.data.length) {
      this.data = new Int32Array(slots * this.stride);
      this.generation = 0;
    }
    this.mask = this.data.length / this.stride - 1;
    // A table of 0 has no entry of this generation.
    this.generation = (this.generation + 1) | 0;
    if (this.generation !== 0) return;
    this.data.fill(0);
    this.generation = 1;
  }

  /** Where the entry of a word is; one that this log has not asked for before is all 0. */
  entryOf(addr: number): number {
    const { data, stride, generation } = this;
    for (let slot = mix32(addr) & this.mask; ; slot = (slot + 1) & this.mask) {
      const at = slot * stride;
      if (data[at + 1] !== generation) {
        data[at] = addr;
        data[at + 1] = generation;
        for (let i = OWN_WORDS; i < stride; i++) data[at + i] = 0;
        return at + OWN_WORDS;
      }
      if (data[at] === addr) return at + OWN_WORDS;
    }
  }
}
