import { LINE_WORDS } from '../../memory/address.ts';
import { alignUp } from '../../memory/struct.ts';
import type { CellPlan } from '../../scenario/plan.ts';
import type { InjectPlan } from '../../trace/inject.ts';
import { CONTROL } from '../../trace/park.ts';
import { layoutWorld, modelWords } from '../../world/world.ts';

/**
 * A fault of an explored schedule that was refused this often makes no progress: nobody's time passes here, so each refusal needs
 * a section that ran meanwhile, and the programs of a litmus have a handful. It is given up then, and starves if it had so many
 * opportunities.
 */
const REFUSALS = 12;
const OPPORTUNITIES = 6;

/** Frames beyond those that all pages need, and VMAs beyond the areas: what munmap splits and mmap makes. */
const SPARE_FRAMES = 16;
const SPARE_VMAS = 8;

/**
 * The plan of a litmus as it is explored: the same ranges, programs and thread ids in an arena as small as can be, without a forced
 * order, delays or a trace. A pure function: the driver and the threads each make it from the plan that travels.
 */
export function exploringPlan(plan: CellPlan): CellPlan {
  if (plan.litmus === null) throw new RangeError(`'${plan.scenario}' is no litmus scenario`);
  const { memory, hca } = plan;
  const filePages = memory.files.reduce((sum, file) => sum + file.pages, 0);
  const { inject, stall: _stall, lockStat: _lockStat, ...rest } = plan;
  return {
    ...rest,
    ...(inject === undefined ? {} : { inject: withoutDice(inject) }),
    perturb: null,
    trace: { on: false, ring: 1, window: 0, keep: 8, slots: 8 },
    bounds: { ...plan.bounds, starvationAttempts: REFUSALS, starvationOpportunities: OPPORTUNITIES },
    memory: {
      ...memory,
      // Beside what is used, each thread's magazine is filled once: see litmus.ts.
      frames: Math.min(memory.frames, memory.mms * memory.pages + filePages + SPARE_FRAMES),
      vmas: Math.min(memory.vmas, memory.areas.length + SPARE_VMAS),
    },
    // The length of a wait means nothing under control; one slice is one wait.
    hca: { ...hca, queue: 1, faultTimeoutMs: 1 },
    litmus: { ...plan.litmus, iterations: 1, order: [] },
  };
}

/** A schedule depends on nothing but its choices: only `fail-nth`, which counts a thread's own calls, does anything here. */
const withoutDice = (inject: InjectPlan): InjectPlan =>
  Object.fromEntries(Object.entries(inject).map(([name, attr]) => [name, { ...attr, probability: 0 }]));

/** Where an explored litmus lies: the cell's arena, and behind it CONTROL words for each program thread. */
export interface LitmusLayout {
  readonly words: number;
  readonly resetWords: number;
  /** CONTROL words of thread `tid`. */
  readonly controlOf: (tid: number) => number;
}

const CONTROL_STRIDE = alignUp(CONTROL.$words, LINE_WORDS);

/** Of a plan that `exploringPlan` has made. */
export function litmusLayout(plan: CellPlan): LitmusLayout {
  const layout = layoutWorld(plan);
  return {
    words: layout.words + plan.litmus!.programs.length * CONTROL_STRIDE,
    resetWords: modelWords(layout),
    controlOf: (tid) => layout.words + tid * CONTROL_STRIDE,
  };
}
