/**
 * The detector's shared memory: vector clocks, and for each word that a schedule touches a slot with what was last done to it. Only the
 * holder of the token uses it, with plain accesses; the hand-over of the token orders them.
 */
export interface RaceWords {
  readonly r: Int32Array<SharedArrayBuffer>;
  readonly threads: number;
  /** Slots that there is room for. */
  readonly capacity: number;
  readonly slotWords: number;
  /** Where each part begins. */
  readonly clocks: number;
  readonly notified: number;
  readonly accesses: number;
  readonly races: number;
  readonly captures: number;
  readonly slotOf: number;
  readonly slots: number;
}

/** Header words. All counts are of one schedule. */
export const R = {
  /** Slots in use. A slot belongs to a word when the word names it and it names the word, so a reset is this one store. */
  used: 0,
  /** 1: a word found no slot, and the rest of the schedule is not looked at. */
  full: 1,
  races: 2,
  /** Races that found no room in the list. */
  dropped: 3,
  /** Accesses that were looked at. */
  seen: 4,
  /** Accesses that the code declares to be racy on purpose. */
  exempt: 5,
  /** Uses of the memory that go past the detector: `mem.buffer`, `mem.subarray()` and the like. */
  escapes: 6,
  /** 1: the accesses in `captures` are to be recorded with their stacks. */
  capture: 7,
} as const;
const HEADER_WORDS = 16;

/** How a word is touched. Two accesses conflict when one writes and at least one is plain. */
export const KIND = { plainRead: 0, plainWrite: 1, markedRead: 2, markedWrite: 3 } as const;
export type AccessKind = (typeof KIND)[keyof typeof KIND];
export const KINDS = 4;

/** Words of a slot: the word it belongs to; the clocks that writers' and readers' releases published; for each kind and thread a clock and an access. */
export const SLOT_WORD = 0;
export const SLOT_RELEASED = 1;

/** Words of a race: the word, then kind, thread and access number of the earlier and of the later access. */
export const RACE = { word: 0, first: 1, second: 4 } as const;
export const ACCESS_FIELDS = { kind: 0, tid: 1, access: 2 } as const;
export const RACE_WORDS = 8;
export const MAX_RACES = 32;

/** Words of a captured access: which one; whether it came; what was there and what it wrote; its operation; its stack. */
export const CAPTURE = { tid: 0, access: 1, found: 2, before: 3, after: 4, op: 5, length: 6, text: 8 } as const;
export const CAPTURE_CHARS = 6000;
const CAPTURE_WORDS = CAPTURE.text + CAPTURE_CHARS;

const MAX_SLOTS = 1 << 16;
const MAX_SLOT_BYTES = 64 << 20;

function layout(words: number, threads: number): Omit<RaceWords, 'r'> & { readonly total: number } {
  const slotWords = 1 + threads * (2 + 2 * KINDS);
  const capacity = Math.max(1, Math.min(words, MAX_SLOTS, Math.floor(MAX_SLOT_BYTES / 4 / slotWords)));
  const clocks = HEADER_WORDS;
  const notified = clocks + threads * threads;
  const accesses = notified + threads * threads;
  const races = accesses + threads;
  const captures = races + MAX_RACES * RACE_WORDS;
  const slotOf = captures + 2 * CAPTURE_WORDS;
  const slots = slotOf + words;
  const total = slots + capacity * slotWords;
  return { threads, capacity, slotWords, clocks, notified, accesses, races, captures, slotOf, slots, total };
}

export const createRaceBuffer = (words: number, threads: number): SharedArrayBuffer =>
  new SharedArrayBuffer(layout(words, threads).total * 4);

export function raceView(buffer: SharedArrayBuffer, words: number, threads: number): RaceWords {
  const { total: _, ...parts } = layout(words, threads);
  return { r: new Int32Array(buffer), ...parts };
}

export const captureAt = (view: RaceWords, i: number): number => view.captures + i * CAPTURE_WORDS;

/** To the start of a schedule: every thread at its own time 1, nothing known of the others, no word touched. */
export function resetRaces(view: RaceWords): void {
  const { r, threads, clocks } = view;
  const capture = r[R.capture];
  r.fill(0, 0, view.races);
  r[R.capture] = capture;
  for (let tid = 0; tid < threads; tid++) r[clocks + tid * threads + tid] = 1;
}
