import { OdpError } from '../../scenario/errors.ts';
import { type Host, openHost } from '../control/host.ts';
import { H, OUTCOME, type Sched, type ScheduleOutcome } from '../control/sched.ts';
import type { RaceTotals } from '../races/race-log.ts';
import { type Found, findingKey, runStretch } from '../search/search.ts';
import {
  type FromProcess,
  noTally,
  type OpenRequest,
  type SearchJob,
  type StretchReport,
  type Tally,
  type ToProcess,
} from './process-messages.ts';
import { divergedError, hungError, probe } from './process-probe.ts';
import { createMemory, type JobSearch, type SearchMemory, searchFor } from './process-search.ts';
import { minimize } from './process-shrink.ts';
import { openSubject } from './process-subject.ts';

/** A stretch is this long: messages are seen between two of them. */
const STRETCH_MS = 80;
const SHARED_STRETCH_MS = 20;

type JobMessage = Extract<ToProcess, { type: 'job' }>;

interface RunningJob {
  readonly id: number;
  readonly job: SearchJob;
  readonly stopAtFirst: boolean;
  readonly search: JobSearch;
  /** Findings that were reported, by oracle and object. */
  readonly reported: Set<string>;
  done: number;
  stopped: boolean;
  /** It has nothing to do until a message comes. */
  waiting: boolean;
}

/** The life of an exploring process: told what to do by messages, ends with its parent. */
export function runProcess(): void {
  // Ctrl-C goes to the whole group; the parent decides when this process ends.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  const jobs: RunningJob[] = [];
  const memory = createMemory();
  let host: Host | null = null;
  let request: OpenRequest | null = null;
  let running = false;

  const run = async (): Promise<void> => {
    if (running) return;
    running = true;
    for (let job = jobs[0]; job !== undefined && !job.waiting; job = jobs[0]) {
      const report = stretch(host!, job);
      send({ type: 'stretch', id: job.id, report });
      if (report.ended) jobs.shift();
      else job.waiting = job.search.worker?.idle === true;
      // Messages are read meanwhile.
      await new Promise((resolve) => setImmediate(resolve));
    }
    running = false;
  };

  const handle = async (message: ToProcess): Promise<void> => {
    switch (message.type) {
      case 'open':
        request = message.request;
        host = await open(request);
        return;
      case 'job':
        if (message.job.kind === 'shrink') {
          send({ type: 'minimized', id: message.id, result: minimize(host!, request!, message.job) });
          return;
        }
        jobs.push(started(host!, memory, message));
        return run();
      case 'stop':
      case 'tree': {
        const job = jobs.find((one) => one.id === message.id);
        if (job === undefined) return;
        if (message.type === 'stop') job.stopped = true;
        else job.search.worker?.receive(message.message);
        job.waiting = false;
        return run();
      }
    }
  };
  process.on('message', (message) => {
    handle(message as ToProcess).catch(refuse);
  });
}

async function open(request: OpenRequest): Promise<Host> {
  const subject = await openSubject(request.spec);
  const host = await openHost(request.spec, subject, { ...request.options, threads: subject.threads });
  host.failed.catch(refuse);
  send({ type: 'ready', facts: probe(host.engine, subject) });
  return host;
}

function started(host: Host, memory: SearchMemory, message: JobMessage): RunningJob {
  const { id, stopAtFirst } = message;
  const job = message.job as SearchJob;
  return {
    id,
    job,
    stopAtFirst,
    search: searchFor(job, host, memory),
    reported: new Set(),
    done: 0,
    stopped: false,
    waiting: false,
  };
}

function stretch(host: Host, running: RunningJob): StretchReport {
  const { engine, subject } = host;
  const { search, job } = running;
  const begun = performance.now();
  const tally = noTally();
  const races = engine.races?.totals() ?? null;
  const left = job.kind === 'sample' ? job.count - running.done : Number.POSITIVE_INFINITY;
  if (running.stopped || left === 0) return reportOf(running, tally, [], 0, false);
  const result = runStretch(engine, subject, search.search, {
    schedules: left,
    // Others wait for a part of a shared tree, or have found something.
    until: begun + (search.shared ? SHARED_STRETCH_MS : STRETCH_MS),
    stopAtFirst: running.stopAtFirst,
    onSchedule: (sched, outcome) => {
      count(tally, sched, outcome);
      search.onSchedule(sched, outcome);
    },
  });
  addRaces(tally, host, races);
  if (result.broken === OUTCOME.hung) throw hungError(engine.sched, subject);
  if (result.broken !== null) throw divergedError(engine.sched, subject);
  const found = result.found
    .map((one) => ({ ...one, schedules: one.schedules + running.done }))
    .filter((one) => fresh(running, one));
  running.done += result.schedules;
  // One that has nothing to do may be given more.
  const complete = result.ended && search.worker === null;
  return reportOf(running, tally, found, performance.now() - begun, complete);
}

function reportOf(
  running: RunningJob,
  tally: Tally,
  found: readonly Found[],
  ms: number,
  complete: boolean,
): StretchReport {
  const { search, job } = running;
  const enough = job.kind === 'sample' && running.done >= job.count;
  const ended = complete || enough || running.stopped || (running.stopAtFirst && found.length > 0);
  return {
    tally,
    found,
    ms,
    ended,
    complete,
    guarantee: search.search.guarantee(),
    coverage: search.coverage(),
    tree: search.worker?.outbox() ?? [],
    bound: search.bound(),
  };
}

function count(tally: Tally, { s }: Sched, outcome: ScheduleOutcome): void {
  tally.schedules++;
  tally.steps += s[H.steps];
  if (outcome === OUTCOME.redundant) tally.redundant++;
  else if (outcome === OUTCOME.stepLimit) tally.cut++;
  if (s[H.forced] !== 0) tally.forced++;
}

/** What the detector has done since `before`. */
function addRaces(tally: Tally, { engine }: Host, before: RaceTotals | null): void {
  if (before === null || engine.races === null) return;
  const now = engine.races.totals();
  for (const key of Object.keys(before) as (keyof RaceTotals)[]) tally[key] += now[key] - before[key];
}

/** True for a finding that this job has not reported yet. */
function fresh({ reported }: RunningJob, { finding }: Found): boolean {
  const key = findingKey(finding);
  if (reported.has(key)) return false;
  reported.add(key);
  return true;
}

function send(message: FromProcess): void {
  process.send?.(message);
}

/** Says why it cannot go on, and ends; an error of ours ends it as a crash. */
function refuse(error: unknown): void {
  if (!(error instanceof OdpError)) {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    process.exit(70);
  }
  const message: FromProcess = { type: 'refused', issues: error.issues };
  // A thread that hangs would keep the process.
  process.send?.(message, () => process.exit(0));
}
