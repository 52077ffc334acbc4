import { join } from 'node:path';
import { timeline } from '../report/timeline.ts';
import { createDumpKeeper } from '../results/arena-dump.ts';
import { readSoakCheckpoint } from '../results/checkpoint.ts';
import { type FolderLock, lockFolder } from '../results/lock-file.ts';
import { SOAK_FILES, type SoakCheckpoint, type SoakSummary } from '../results/soak-types.ts';
import { EXIT, OdpError, systemReason } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import type { Resolved } from '../soak/entries.ts';
import { type Journal, openJournal } from '../soak/journal.ts';
import type { CellRunner, Clock, EndReason, SoakPlan } from '../soak/parts.ts';
import { createRotations } from '../soak/rotation.ts';
import { createSoak, type Soak } from '../soak/soak.ts';
import { nextOccurrence } from '../soak/until.ts';
import { commitOf, packageRoot, packageVersion } from './package-root.ts';
import { readReport, stepSummary, writeReport } from './report.ts';
import { environmentOf } from './run-environment.ts';
import { exitCodeOfSignal, installSignals, type Signals } from './signals.ts';
import { copyInputs, newDir, runRecord, writeFigures, writeSnapshot } from './soak-folder.ts';
import type { SoakFlags } from './soak-options.ts';
import { type Prepared, prepare } from './soak-prepare.ts';
import { createSoakView, reportSoak } from './soak-report.ts';
import { changedEnvironment } from './soak-settings.ts';
import { summarizeSoak } from './soak-summary.ts';
import type { Terminal } from './terminal-io.ts';

type SoakRunner = CellRunner & { arenaWords(plan: CellPlan): number };

/** What is given from outside, so that tests can do without threads and let clocks jump. */
export interface SoakMeans {
  readonly runner: () => Promise<SoakRunner>;
  readonly clock: Clock;
  readonly maxRaceBytes?: number;
  /** How long the last cell may take to end after a signal, milliseconds. */
  readonly graceMs?: number;
}

const MIB = 2 ** 20;
const MAX_DISK = 1024 * MIB;
const MAX_MEMORY_MB = 4096;
const MAX_LOG = 16 * MIB;
/** Threads that do not end must not keep the results from being reported. */
const END_BOUND_MS = 5000;

export const PROCESS_CLOCK: Clock = { wall: () => Date.now(), mono: () => performance.now() };

/** A soak whose folder is this process's. */
interface Session {
  readonly prepared: Prepared;
  readonly flags: SoakFlags;
  readonly terminal: Terminal;
  readonly means: SoakMeans;
  readonly runner: SoakRunner;
  readonly environment: SoakSummary['environment'];
  readonly from: SoakCheckpoint | null;
  readonly journal: Journal;
  readonly signals: Signals;
}

/** `odptorture soak [CAMPAIGN]`: cells of a campaign in turn until the time is up; the exit code says what they showed. */
export async function soakCommand(
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  means: SoakMeans,
): Promise<number> {
  const root = packageRoot();
  const prepared = await prepare(given, flags, terminal, root);
  const runner = await means.runner();
  checkArenas(prepared.resolved, runner);
  const { earlier, settings } = prepared;
  const dir = earlier?.dir ?? newDir(flags, terminal, settings.seed, new Date(means.clock.wall()));
  const notes: string[] = [];
  const lock = lockFolder(join(dir, SOAK_FILES.lock), (note) => notes.push(note));
  try {
    // Under the lock: whoever held it before may have gone on until then.
    const from = earlier === null ? null : readSoakCheckpoint(dir);
    const environment = environmentOf({ commit: commitOf(root), version: packageVersion(root) });
    const journal = openSoakJournal(dir, from, lock, flags, terminal, means);
    const signals = installSignals(terminal.err);
    const session = { prepared, flags, terminal, means, runner, environment, from, journal, signals };
    return reportAtEnd(dir, terminal, await runSession(session, notes));
  } finally {
    lock.release();
  }
}

/** The page for the morning, once all files are closed. What the soak has shown stands without it, so a failure here does not hide that. */
function reportAtEnd(dir: string, terminal: Terminal, exitCode: number): number {
  try {
    const model = readReport(dir, terminal.cwd);
    writeReport(model, dir);
    stepSummary(model, terminal);
    return exitCode;
  } catch (error) {
    terminal.err(error instanceof OdpError ? error.message : `odptorture: no report: ${systemReason(error)}`);
    return exitCode === EXIT.ok ? EXIT.io : exitCode;
  }
}

/** Every cell must fit before the first one runs: a night must not end at its third scenario. */
function checkArenas({ entries }: Resolved, runner: SoakRunner): void {
  for (const { key, plan } of entries) {
    try {
      runner.arenaWords(plan);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new OdpError({ code: 'ODP_E_MEMORY', message: `${key} does not fit: ${error.message}` }, { cause: error });
    }
  }
}

const openSoakJournal = (
  dir: string,
  from: SoakCheckpoint | null,
  { isHeld }: FolderLock,
  { maxLog }: SoakFlags,
  terminal: Terminal,
  { maxRaceBytes }: SoakMeans,
): Journal =>
  openJournal({
    dir,
    from,
    maxLogBytes: maxLog ?? MAX_LOG,
    isHeld,
    ...(maxRaceBytes === undefined ? {} : { maxRaceBytes }),
    onLost: (reason) =>
      terminal.err(`ODP_E_LOG_LOST: a record could not be written: ${reason}; lost records are counted`),
  });

async function runSession(session: Session, notes: readonly string[]): Promise<number> {
  const { prepared, flags, terminal, means, runner, environment, from, journal, signals } = session;
  const { campaign, settings, resolved, earlier } = prepared;
  const runJson = runRecord(prepared, flags, environment);
  const writeRun = (status: string, more: Readonly<Record<string, unknown>> = {}): void =>
    journal.writeWhole(SOAK_FILES.run, `${JSON.stringify({ status, ...runJson, ...more }, null, 2)}\n`);
  const view = createSoakView(flags, terminal, resolved.entries);
  let soak: Soak | null = null;
  const onSnapshot = (): void => writeSnapshot(soak, journal, terminal);
  try {
    if (earlier === null) copyInputs(journal, prepared);
    writeRun('running');
    for (const line of notes) journal.log('warn', line);
    for (const line of earlier === null ? [] : changedEnvironment(earlier, environment)) {
      journal.log('warn', line);
      terminal.err(`odptorture: ${line}`);
    }
    soak = createSoak({
      plan: planOf(prepared, flags, means.clock),
      journal,
      dumps: createDumpKeeper({ version: environment.version, log: journal.log }),
      runner,
      clock: means.clock,
      stop: signals.signal,
      view,
      from,
      draw: (record) => `${timeline(record).join('\n')}\n`,
      ...(means.graceMs === undefined ? {} : { graceMs: means.graceMs }),
    });
    // Node's own use of this signal, its debugger, is given up for as long as a soak runs.
    process.on('SIGUSR1', onSnapshot);
    view.start(campaign.name, settings.seed, journal.dir, from);
    journal.log('info', from === null ? 'the soak begins' : `the soak goes on with cell ${from.next.index}`, {
      campaign: campaign.name,
      seed: settings.seed,
    });
    const summary = await runToEnd(session, soak);
    writeRun(summary.interrupted ? 'interrupted' : 'finished', { exitCode: summary.exitCode });
    view.end();
    reportSoak(summary, journal.dir, flags, terminal);
    return summary.exitCode;
  } catch (error) {
    try {
      journal.log('error', `the soak failed: ${error instanceof Error ? error.message : String(error)}`);
      writeRun('failed', { error: error instanceof Error ? error.message : String(error) });
    } catch {
      // The disk is what failed; the error below says it.
    }
    throw error;
  } finally {
    process.off('SIGUSR1', onSnapshot);
    view.end();
    signals.dispose();
    journal.close();
    await bounded(runner.closeCells());
  }
}

const planOf = ({ campaign, settings, resolved, limits }: Prepared, flags: SoakFlags, clock: Clock): SoakPlan => ({
  campaign: campaign.name,
  campaignHash: campaign.hash,
  seed: settings.seed,
  rotations: createRotations(resolved.entries, settings.seed, settings.repeatEach),
  durationMs: limits.durationMs,
  until: limits.until,
  stopAt: flags.stopAt === undefined ? null : nextOccurrence(flags.stopAt, new Date(clock.wall())).getTime(),
  budget: {
    diskBytes: flags.maxDisk ?? MAX_DISK,
    memoryMb: flags.maxMemory === undefined ? MAX_MEMORY_MB : flags.maxMemory / MIB,
  },
});

/** Runs the cells and writes what they showed. */
async function runToEnd({ prepared, environment, journal, signals }: Session, soak: Soak): Promise<SoakSummary> {
  const reason = await soak.run();
  const checkpoint = soak.end(wordOf(reason, signals), reason === 'duration' || reason === 'until');
  const received = signals.received();
  const summary = summarizeSoak(checkpoint, {
    judgedBy: prepared.settings.judge,
    entries: prepared.resolved.entries.map(({ key }) => key),
    environment,
    interruptedBy: received === null ? null : exitCodeOfSignal(received),
    unsaved: journal.races.lost() > checkpoint.totals.records.lost ? EXIT.io : null,
  });
  journal.log('info', `the soak ends: ${summary.reason}`, { verdict: summary.verdict, exitCode: summary.exitCode });
  journal.writeWhole(SOAK_FILES.summary, `${JSON.stringify(summary, null, 2)}\n`);
  writeFigures(journal, checkpoint);
  return summary;
}

const wordOf = (reason: EndReason, signals: Signals): string =>
  reason === 'stopped' || reason === 'abandoned' ? (signals.received() ?? reason) : reason;

async function bounded(end: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((done) => {
    timer = setTimeout(done, END_BOUND_MS);
  });
  await Promise.race([end, bound]);
  clearTimeout(timer);
}
