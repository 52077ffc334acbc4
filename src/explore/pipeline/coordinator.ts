import { OdpError } from '../../scenario/errors.ts';
import type { ToWorker } from '../search/tree-shard.ts';
import { type ExploreProcess, startProcess } from './process.ts';
import type {
  FromProcess,
  Job,
  Minimized,
  OpenRequest,
  SearchJob,
  ShrinkJob,
  StretchReport,
  SubjectFacts,
} from './process-messages.ts';

/** Where jobs come from, and where what came of them goes. One phase of a pipeline. */
export interface JobSource {
  /** Jobs that a process has at a time: with two it never waits for the next. */
  readonly depth: number;
  /** A process ends a job at its first finding. */
  readonly stopAtFirst: boolean;
  /** The next job; null: none now. The phase is over when there is none and none is being worked on. */
  next(): SearchJob | null;
  report(job: SearchJob, report: StretchReport): void;
  /** The process is gone, and what its job has reported must not count twice: is the same job to be given again, or has all begun anew? */
  lost(job: SearchJob): 'again' | 'anew' | 'give-up';
}

export interface PoolOptions {
  readonly request: OpenRequest;
  /** Core of each process; -1: not pinned. */
  readonly cores: readonly number[];
  readonly note: (text: string) => void;
}

interface Assignment {
  readonly id: number;
  readonly job: Job;
  readonly attempts: number;
}

interface Member {
  readonly process: ExploreProcess;
  readonly assigned: Assignment[];
  ready: boolean;
  heardAt: number;
}

/** A process may be silent this long before it is taken for dead: a step that hangs is told apart long before. */
const SILENT_MS = 100_000;
const WATCH_MS = 1000;
/** Processes that are started in place of dead ones, in a whole exploration; or two for each that there is. */
const MAX_RESTARTS = 8;

/** The processes that explore one subject. */
export class Pool {
  /** Processes that died and were replaced. */
  restarts = 0;
  private readonly options: PoolOptions;
  private readonly members = new Set<Member>();
  private readonly again: Assignment[] = [];
  private known: SubjectFacts | null = null;
  private source: JobSource | null = null;
  private stopping = false;
  private closed = false;
  private nextId = 1;
  private settle: { readonly resolve: () => void; readonly reject: (error: unknown) => void } | null = null;
  private error: unknown = null;
  private minimized: ((result: Minimized | null) => void) | null = null;
  private readonly watch: NodeJS.Timeout;

  private constructor(options: PoolOptions) {
    this.options = options;
    this.watch = setInterval(() => this.checkSilence(), WATCH_MS);
  }

  /** Starts the processes; resolves when the first one is ready. */
  static async open(options: PoolOptions): Promise<Pool> {
    const pool = new Pool(options);
    const ready = pool.settled();
    for (const core of options.cores) pool.start(core);
    try {
      await ready;
    } catch (error) {
      await pool.close();
      throw error;
    }
    return pool;
  }

  get facts(): SubjectFacts {
    return this.known!;
  }
  get size(): number {
    return this.options.cores.length;
  }
  /** Pids, for tests and for the log. */
  pids(): number[] {
    return [...this.members].map((member) => member.process.pid);
  }

  /** Runs one phase. Rejects with `OdpError` when a process cannot go on. */
  async run(source: JobSource): Promise<void> {
    this.source = source;
    this.stopping = false;
    const done = this.settled();
    for (const member of this.members) this.fill(member);
    this.checkDone();
    await done;
  }

  /** Ends the phase: jobs end with the stretch that they are in. */
  stop(): void {
    this.stopping = true;
    this.again.length = 0;
    this.stopJobs(() => true);
    this.checkDone();
  }

  /** Ends some jobs. */
  stopJobs(which: (job: SearchJob) => boolean): void {
    for (const { process, assigned } of this.members)
      for (const { id, job } of assigned) if (job.kind !== 'shrink' && which(job)) process.send({ type: 'stop', id });
  }

  /** Sends a message to the process that has a job. */
  tell(job: SearchJob, message: ToWorker): void {
    for (const { process, assigned } of this.members)
      for (const one of assigned) if (one.job === job) process.send({ type: 'tree', id: one.id, message });
  }

  /** Makes a finding small, in one of the processes; null when its schedule does not show it again. */
  async shrink(job: ShrinkJob): Promise<Minimized | null> {
    this.stopping = false;
    this.source = null;
    const result = new Promise<Minimized | null>((resolve) => {
      this.minimized = resolve;
    });
    const failed = this.settled();
    const member = [...this.members].find((one) => one.ready) ?? [...this.members][0]!;
    this.give(member, { id: this.nextId++, job, attempts: 0 });
    try {
      return (await Promise.race([result, failed])) ?? null;
    } finally {
      this.minimized = null;
      this.settle = null;
    }
  }

  async close(): Promise<void> {
    this.closed = true;
    clearInterval(this.watch);
    for (const { process } of this.members) process.kill();
    this.members.clear();
  }

  /** Settled by `checkDone` and `fail`. */
  private settled(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      if (this.error !== null) reject(this.error);
    });
  }

  private start(core: number): void {
    const process = startProcess(core, {
      message: (_, message) => this.heard(member, message),
      gone: (_, why) => this.gone(member, why),
    });
    const member: Member = { process, assigned: [], ready: false, heardAt: performance.now() };
    this.members.add(member);
    process.send({ type: 'open', request: this.options.request });
  }

  private heard(member: Member, message: FromProcess): void {
    if (this.closed) return;
    member.heardAt = performance.now();
    switch (message.type) {
      case 'ready':
        this.isReady(member, message.facts);
        return;
      case 'refused':
        this.fail(new OdpError(message.issues));
        return;
      case 'minimized':
        member.assigned.length = 0;
        this.minimized?.(message.result);
        return;
      case 'stretch': {
        const at = member.assigned.findIndex((one) => one.id === message.id);
        if (at < 0) return;
        const assignment = member.assigned[at]!;
        const { report } = message;
        if (report.ended) member.assigned.splice(at, 1);
        this.source?.report(assignment.job as SearchJob, report);
        this.fill(member);
        this.checkDone();
      }
    }
  }

  private isReady(member: Member, facts: SubjectFacts): void {
    member.ready = true;
    if (this.known === null) {
      this.known = facts;
      this.settle?.resolve();
      return;
    }
    this.fill(member);
  }

  /** Gives a process work, or asks another for some of its own. */
  private fill(member: Member): void {
    const { source } = this;
    if (!member.ready || this.stopping) return;
    while (member.assigned.length < (source?.depth ?? 1)) {
      const again = this.again.shift();
      const job = again?.job ?? source?.next() ?? null;
      if (job === null) break;
      const attempts = again === undefined ? 0 : again.attempts + 1;
      this.give(member, { id: this.nextId++, job, attempts });
    }
  }

  private give(member: Member, assignment: Assignment): void {
    member.assigned.push(assignment);
    member.heardAt = performance.now();
    const { id, job } = assignment;
    member.process.send({ type: 'job', id, job, stopAtFirst: this.source?.stopAtFirst ?? false });
  }

  /** A process has died. Its jobs are given again, once: a job that ends two processes would end any. */
  private gone(member: Member, why: string): void {
    if (this.closed) return;
    this.members.delete(member);
    const { pid, core } = member.process;
    let hopeless =
      member.assigned.some((one) => one.attempts > 0) || this.restarts >= Math.max(MAX_RESTARTS, 2 * this.size);
    for (const assignment of hopeless ? [] : member.assigned) {
      const { job } = assignment;
      const how = job.kind === 'shrink' ? 'again' : (this.source?.lost(job) ?? 'anew');
      if (how === 'give-up') hopeless = true;
      if (how === 'again' && !this.stopping) this.again.push(assignment);
    }
    if (hopeless) {
      this.fail(crashed(pid, why));
      return;
    }
    this.options.note(`process ${pid} ended: ${why}; another one does its work again`);
    this.restarts++;
    // One that could not even start may not be allowed to choose its core.
    this.start(member.ready ? core : -1);
    for (const other of this.members) this.fill(other);
    this.checkDone();
  }

  private checkDone(): void {
    if (this.source === null || this.known === null) return;
    if (this.again.length > 0 && !this.stopping) return;
    if ([...this.members].some((member) => member.assigned.length > 0)) return;
    // A source that has another job would have given it to a process that is ready.
    if (!this.stopping && ![...this.members].some((member) => member.ready)) return;
    this.source = null;
    this.settle?.resolve();
  }

  private checkSilence(): void {
    const now = performance.now();
    for (const member of this.members)
      if ((member.assigned.length > 0 || !member.ready) && now - member.heardAt > SILENT_MS) member.process.kill();
  }

  private fail(error: unknown): void {
    if (this.error !== null) return;
    this.error = error;
    this.settle?.reject(error);
  }
}

const crashed = (pid: number, why: string): OdpError =>
  new OdpError({ code: 'ODP_E_EXPLORE_CRASHED', message: `process ${pid} ended twice over the same work: ${why}` });
