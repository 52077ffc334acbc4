import type { Addr } from '../../src/memory/address.ts';

/** What the threads of a random program may do: three words each (instruction, object, value). */
export const INSTRUCTION = {
  load: 1,
  store: 2,
  add: 3,
  cas: 4,
  lock: 5,
  unlock: 6,
  trylock: 7,
  downRead: 8,
  upRead: 9,
  downWrite: 10,
  upWrite: 11,
  downgrade: 12,
  readTrylock: 13,
  writeTrylock: 14,
  wait: 15,
  waitTimed: 16,
  notify: 17,
  /** Skips `value` instructions. */
  skipUnlessOdd: 18,
  /** Throws when it has read `value`. */
  assert: 19,
} as const;
const I = INSTRUCTION;

export const VAR = 16;
export const RESULT = 20;
export const WORDS = { mutexes: [32 as Addr, 48 as Addr], rwsem: 64 as Addr } as const;
const CODE = 96;
const CODE_WORDS = 96;
export const MEMORY_WORDS = CODE + 3 * CODE_WORDS;
export const codeWords = (tid: number): number => CODE + tid * CODE_WORDS;
export const resultOf = (tid: number): number => RESULT + tid;

/** Small and the same everywhere: mulberry32. */
export function randomNumbers(seed: number): (below: number) => number {
  let a = seed | 0;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

type Random = (below: number) => number;
type Instruction = [number, number, number];

export interface CodeOptions {
  /** Threads that throw. */
  readonly asserts: boolean;
  /** Waits that may time out. */
  readonly timed: boolean;
}
const PLAIN: CodeOptions = { asserts: false, timed: false };

/** Interleavings that a program may have at most, were nothing ever to wait. */
const MOST = 900;

/** The code of each thread. */
export function randomCode(seed: number, threads: number, options: CodeOptions = PLAIN, most = MOST): number[][] {
  const random = randomNumbers(Math.imul(seed, 0x9e3779b1) ^ threads);
  const variables = 2 + random(2);
  for (;;) {
    const code = Array.from({ length: threads }, () => randomThread(random, 2 + random(4), variables, options));
    if (interleavings(code.map(stepsOf)) <= most) return code.map((thread) => thread.flat());
  }
}

function randomThread(random: Random, ops: number, variables: number, options: CodeOptions): Instruction[] {
  const code: Instruction[] = [];
  let left = ops;
  while (left > 0) {
    const kind = random(100);
    let part: Instruction[];
    if (left >= 3 && kind < 30) part = section(random, variables, left >= 5);
    else if (kind < 38) part = waits(random, variables, options);
    else part = [access(random, variables)];
    if (random(4) === 0 && code.length > 0) code.push([I.skipUnlessOdd, 0, part.length]);
    code.push(...part);
    if (options.asserts && random(3) === 0) code.push([I.assert, 0, 1 + random(2)]);
    left -= part.length;
  }
  return code;
}

function access(random: Random, variables: number): Instruction {
  const v = random(variables);
  const kind = random(8);
  if (kind < 3) return [I.load, v, 0];
  if (kind < 5) return [I.store, v, 1 + random(2)];
  return kind < 6 ? [I.cas, v, random(2)] : [I.add, v, 1];
}

function waits(random: Random, variables: number, options: CodeOptions): Instruction[] {
  const v = random(variables);
  if (random(2) === 0) return [[I.notify, v, 1 + random(2)]];
  return [[options.timed && random(2) === 0 ? I.waitTimed : I.wait, v, random(2)]];
}

/** Takes a lock, does something, and leaves; perhaps with another lock inside. */
function section(random: Random, variables: number, nests: boolean): Instruction[] {
  const inside = nests && random(2) === 0 ? section(random, variables, false) : [access(random, variables)];
  const m = random(2);
  const skip = inside.length + 1;
  switch (random(8)) {
    case 0:
    case 1:
      return [[I.lock, m, 0], ...inside, [I.unlock, m, 0]];
    case 2:
      return [[I.trylock, m, skip], ...inside, [I.unlock, m, 0]];
    case 3:
    case 4:
      return [[I.downRead, 0, 0], ...inside, [I.upRead, 0, 0]];
    case 5:
      return [[I.downWrite, 0, 0], ...inside, ...leaveWrite(random)];
    case 6:
      return [[I.readTrylock, 0, skip], ...inside, [I.upRead, 0, 0]];
    default:
      return [[I.writeTrylock, 0, skip], ...inside, [I.upWrite, 0, 0]];
  }
}

const leaveWrite = (random: Random): Instruction[] =>
  random(3) === 0
    ? [
        [I.downgrade, 0, 0],
        [I.upRead, 0, 0],
      ]
    : [[I.upWrite, 0, 0]];

const stepsOf = (code: readonly Instruction[]): number => {
  let steps = 0;
  for (const [op] of code) if (op !== I.skipUnlessOdd && op !== I.assert) steps += op === I.wait ? 2 : 1;
  return steps;
};

function interleavings(steps: readonly number[]): number {
  let n = 1;
  let total = 0;
  for (const count of steps) for (let i = 1; i <= count; i++) n = (n * ++total) / i;
  return n;
}
