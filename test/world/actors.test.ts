import { describe, expect, it } from 'vitest';
import type { CellPlan } from '../../src/scenario/plan.ts';
import { MODE } from '../../src/trace/actor.ts';
import { nextRandom } from '../../src/trace/random.ts';
import { attachThread } from '../../src/world/actor.ts';
import { arenaWords } from '../../src/world/size.ts';
import { attachWorld } from '../../src/world/world.ts';
import { shippedPlan } from '../torture/cells.ts';

const worldOf = (plan: CellPlan) => attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
const stream = (plan: CellPlan, tid: number): number[] => {
  const { actor } = attachThread(worldOf(plan), tid, 0);
  return Array.from({ length: 50 }, () => nextRandom(actor));
};

describe('the actors of a cell', () => {
  const plan = shippedPlan('seed', 'context-count', { seed: 5 });
  const supervisor = plan.threads.length - 1;

  it('have random streams that depend on the seed and the thread only', () => {
    expect(stream(plan, 2)).toEqual(stream(shippedPlan('seed', 'pinned', { seed: 5, durationMs: 1 }), 2));
    const first = new Set(plan.threads.map(({ tid }) => stream(plan, tid).join()));
    expect(first.size).toBe(plan.threads.length);
    expect(stream(shippedPlan('seed', 'context-count', { seed: 6 }), 2)).not.toEqual(stream(plan, 2));
  });

  it('are traced, delayed and gated as the plan says; the supervisor is never delayed or gated', () => {
    const mode = (p: CellPlan, tid: number): number => attachThread(worldOf(p), tid, 0).actor.mode;
    expect(mode(plan, 0)).toBe(MODE.trace | MODE.perturb);
    expect(mode(plan, supervisor)).toBe(MODE.trace);
    expect(mode({ ...plan, perturb: null, trace: { ...plan.trace, on: false } }, 0)).toBe(0);
    const litmus = shippedPlan('litmus/seed-madvise-around-register', 'context-count');
    expect(mode(litmus, 0)).toBe(MODE.trace | MODE.gate);
    expect(mode(litmus, 2)).toBe(MODE.trace);
    expect(mode({ ...litmus, litmus: { ...litmus.litmus!, order: [] } }, 0)).toBe(MODE.trace);
  });

  it('reach hooks only when something listens', () => {
    const quiet = { ...plan, perturb: null, trace: { ...plan.trace, on: false } };
    expect(attachThread(worldOf(quiet), 0, 0).actor.hooks).toBeNull();
    expect(attachThread(worldOf(plan), 0, 0).actor.hooks).not.toBeNull();
  });
});
