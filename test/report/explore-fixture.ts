import { OUTCOME } from '../../src/explore/control/sched.ts';
import type { Label, Step } from '../../src/explore/control/steps.ts';
import { type Picture, pictureOf } from '../../src/explore/replay/picture.ts';
import { ACCESS, OP, OP_INFO, type OpName } from '../../src/sync/control.ts';

export const NAMES: Readonly<Record<number, string>> = {
  1: 'mmap_lock',
  2: 'umem_mutex',
  3: 'in_tree',
  4: 'seq',
  5: 'count',
  6: '<b>&"word"',
};

/** A step; `value` is what it read, `arg` what it wrote or added. */
export function step(tid: number, op: OpName, addr = 0, value = 0, arg = 0, more: Partial<Step> = {}): Step {
  return {
    ...{ tid, op: OP[op], addr, value, arg, access: OP_INFO[OP[op]]!.access as number },
    ...{ enabled: 0b11, sleep: 0, cause: -1 },
    ...more,
  };
}

/** The seed thread's first race. */
export const SEED_STEPS: readonly Step[] = [
  step(0, 'downRead', 1),
  step(0, 'load', 3, 0),
  step(1, 'downRead', 1),
  step(1, 'store', 3, 1, 1),
  step(1, 'upRead', 1),
  step(0, 'load', 3, 1, 0, { enabled: 0b01 }),
  step(0, 'mutexLock', 2, 0, 0, { enabled: 0b01 }),
  step(0, 'add', 4, 0, 1, { enabled: 0b01 }),
  step(0, 'add', 5, 0, -1, { enabled: 0b01 }),
];

export interface PictureOptions {
  readonly steps?: readonly Step[];
  readonly labels?: readonly Label[];
  readonly threads?: readonly string[];
  readonly race?: readonly [number, number] | null;
  readonly found?: boolean;
  readonly divergence?: Picture['divergence'];
}

export const seedPicture = (options: PictureOptions = {}): Picture =>
  pictureOf({
    subject: {
      name: 'model-a',
      names: options.threads ?? ['madvise', 'rdma'],
      nameOf: (addr) => NAMES[addr] ?? `word ${addr}`,
    },
    steps: options.steps ?? SEED_STEPS,
    labels: options.labels ?? [],
    outcome: options.found === false ? OUTCOME.complete : OUTCOME.threw,
    finding: options.found === false ? null : { oracle: 'assertion', object: '', text: 'count of -1' },
    race: options.race === undefined ? [3, 5] : options.race,
    notes: ['found by pos, seed 1, in schedule 3460'],
    divergence: options.divergence ?? null,
  });

export { ACCESS };
