import type { Sched } from '../../src/explore/control/sched.ts';
import { readSteps, type Step } from '../../src/explore/control/steps.ts';

/**
 * Which schedules are equivalent, computed in the plainest way, and without anything that the explorer uses: the Foata normal form. Each step is put
 * into the first layer behind all steps that it does not commute with; two schedules are equivalent when their layers are equal.
 */
export function classOf(sched: Sched): string {
  const steps = readSteps(sched);
  const layer: number[] = [];
  const counts = new Map<number, number>();
  const layers: string[][] = [];
  for (let i = 0; i < steps.length; i++) {
    let at = 0;
    for (let k = 0; k < i; k++) if (depends(steps, k, i)) at = Math.max(at, layer[k] + 1);
    layer[i] = at;
    const { tid, op, addr, access } = steps[i];
    const nth = (counts.get(tid) ?? 0) + 1;
    counts.set(tid, nth);
    layers[at] ??= [];
    layers[at].push(`${tid}.${nth}:${op}@${access === 0 ? '' : addr}/${access}`);
  }
  return layers.map((names) => names.sort().join(' ')).join('\n');
}

function depends(steps: readonly Step[], k: number, i: number): boolean {
  const a = steps[k];
  const b = steps[i];
  if (a.tid === b.tid || b.cause === k) return true;
  if (a.access === 0 || b.access === 0) return false;
  return a.addr === b.addr && (a.access === 2 || b.access === 2);
}
