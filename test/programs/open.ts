import { type Host, openHost } from '../../src/explore/control/host.ts';
import { H, L, LOG_WORDS } from '../../src/explore/control/sched.ts';
import { loadProgram, programSubject } from '../../src/explore/subject/program.ts';

/** Starts a built program, by the address of its module. */
export async function openProgram(url: string, name: string): Promise<Host> {
  const subject = programSubject(name, await loadProgram(url));
  return await openHost({ kind: 'program', url }, subject, {
    threads: subject.threads,
    maxSteps: 1000,
    timeouts: 0,
    hangMs: 5000,
    granularity: 'lock',
  });
}

/** Starts a program of this folder. */
export const openTestProgram = (file: string): Promise<Host> =>
  openProgram(new URL(`./${file}.js`, import.meta.url).href, file);

/** Runs every schedule that there is, by brute force, and calls `each` after each of them. For tiny programs. */
export function runAllSchedules({ engine }: Host, each: (schedule: readonly number[]) => void): number {
  const { s, log } = engine.sched;
  let prefix: number[] = [];
  for (let schedules = 1; ; schedules++) {
    engine.run({ prefix, policy: 0, seed: 1 });
    const steps = s[H.steps];
    const tids = Array.from({ length: steps }, (_, i) => s[log + i * LOG_WORDS + L.tid]);
    each(tids);
    // The last step that has another choice behind the one taken, in an order of choices that begins with the one the picker takes.
    let i = steps - 1;
    let other = -1;
    for (; i >= 0; i--) {
      const current = i === 0 ? -1 : tids[i - 1]!;
      other = nextChoice(s[log + i * LOG_WORDS + L.enabled], current, tids[i]!);
      if (other >= 0) break;
    }
    if (i < 0) return schedules;
    prefix = [...tids.slice(0, i), other];
  }
}

/** Choices at a step: whoever ran last first, then the others by number. */
function nextChoice(enabled: number, current: number, taken: number): number {
  const order = Array.from({ length: 30 }, (_, tid) => tid).filter((tid) => (enabled & (1 << tid)) !== 0);
  if (order.includes(current)) order.sort((a, b) => Number(b === current) - Number(a === current) || a - b);
  return order[order.indexOf(taken) + 1] ?? -1;
}
