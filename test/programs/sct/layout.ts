import { type Addr, LINE_WORDS, type Memory } from '../../../src/memory/address.ts';
import { mutexInit } from '../../../src/sync/mutex.ts';

/** Memory of these small programs: mutexes first, a line each, then the shared variables, a word each. */
export interface Layout {
  readonly memory: number;
  readonly names: Readonly<Record<string, number>>;
  setup(mem: Memory): void;
  /** The word of a mutex or a variable. */
  at(name: string): Addr;
  /** Word `i` of an array. */
  item(name: string, i: number): Addr;
}

/** `variables`: starting values; an array is a number of zeroed words in brackets. */
export function layout(mutexes: readonly string[], variables: Readonly<Record<string, number | [number]>>): Layout {
  const names: Record<string, number> = {};
  mutexes.forEach((name, i) => {
    names[name] = i * LINE_WORDS;
  });
  let next = mutexes.length * LINE_WORDS;
  for (const [name, value] of Object.entries(variables)) {
    names[name] = next;
    next += Array.isArray(value) ? value[0] : 1;
  }
  const at = (name: string): Addr => names[name] as Addr;
  return {
    memory: next,
    names,
    setup(mem) {
      for (const name of mutexes) mutexInit(mem, at(name), 0);
      for (const [name, value] of Object.entries(variables)) if (!Array.isArray(value)) mem[at(name)] = value;
    },
    at,
    item: (name, i) => (names[name]! + i) as Addr,
  };
}
