import { type Host, openHost } from '../../src/explore/control/host.ts';
import { followSchedule } from '../../src/explore/replay/replay.ts';
import type { Replay } from '../../src/explore/replay/replay-file.ts';
import { recordReplay } from '../../src/explore/replay/replay-record.ts';
import { unpackRuns } from '../../src/explore/replay/schedule-text.ts';
import { resolveSubject } from '../../src/explore/subject/open.ts';
import type { Finding, SubjectSpec } from '../../src/explore/subject/subject.ts';

export const OPTIONS = { maxSteps: 1000, timeouts: 0, hangMs: 5000, granularity: 'lock' } as const;

/** A program of this folder, or of ../programs: `replay-programs#bystander`, `../programs/model-b`. */
export const programSpec = (name: string): SubjectSpec => {
  const [file, hash] = name.split('#');
  return {
    kind: 'program',
    url: new URL(`./${file}.js${hash === undefined ? '' : `#${hash}`}`, import.meta.url).href,
  };
};

export interface Opened extends Host {
  readonly spec: SubjectSpec;
}

export async function opened(name: string): Promise<Opened> {
  const spec = programSpec(name);
  const subject = await resolveSubject(spec);
  return { ...(await openHost(spec, subject, { ...OPTIONS, threads: subject.threads })), spec };
}

/** Runs with a host and closes it. */
export async function withProgram<R>(name: string, use: (host: Opened) => R | Promise<R>): Promise<R> {
  const host = await opened(name);
  try {
    return await use(host);
  } finally {
    await host.close();
  }
}

export const tids = (text: string): number[] => unpackRuns(text, 10_000)!;

/** Runs a schedule and takes its first finding. */
export function foundBy({ engine, subject }: Host, schedule: string): { finding: Finding; schedule: number[] } {
  const { findings, steps } = followSchedule(engine, subject, tids(schedule));
  const [finding] = findings;
  if (finding === undefined) throw new Error(`${schedule} shows nothing in ${subject.name}`);
  return { finding, schedule: steps.map((step) => step.tid) };
}

/** Records a schedule as it is; one that shows nothing, as if it had. */
export function recorded(host: Host & { readonly spec: SubjectSpec }, schedule: string): Replay {
  const { steps, findings } = followSchedule(host.engine, host.subject, tids(schedule));
  return recordReplay({
    ...host,
    options: OPTIONS,
    finding: findings[0] ?? { oracle: 'none', object: '', text: '' },
    steps,
    found: { search: 'random', seed: 7, schedules: 41 },
  });
}
