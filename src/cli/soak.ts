import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { timeline } from '../report/timeline.ts';
import { createDumpKeeper } from '../results/arena-dump.ts';
import { readSoakCheckpoint } from '../results/checkpoint.ts';
import { makeFolders } from '../results/folder.ts';
import { type FolderLock, lockFolder } from '../results/lock-file.ts';
import { SOAK_FILES, type SoakCheckpoint, type SoakSummary } from '../results/soak-types.ts';
import { givenDir, linkLatest, newRunDir, outputError } from '../results/store.ts';
import { EXIT, OdpError, systemReason } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { type Campaign, loadCampaign, parseCampaign } from '../soak/campaign.ts';
import { onlyCells, type Resolved, resolveCampaign } from '../soak/entries.ts';
import { type Journal, openJournal } from '../soak/journal.ts';
import { createRotations } from '../soak/rotation.ts';
import { type CellRunner, type Clock, createSoak, type EndReason, type Soak } from '../soak/soak.ts';
import { nextOccurrence, parseUntil, type Until } from '../soak/until.ts';
import { chooseStrategies } from './choose-strategies.ts';
import { commitOf, findScenario, packageRoot, packageVersion, shippedCampaigns } from './package-root.ts';
import { environmentOf } from './run-environment.ts';
import { exitCodeOfSignal, installSignals, type Signals } from './signals.ts';
import type { SoakFlags, Weighted } from './soak-options.ts';
import { createSoakView, reportSoak } from './soak-report.ts';
import {
  CAMPAIGN_COPY,
  changedEnvironment,
  checkSameCells,
  checkUnchanged,
  type Earlier,
  failedCells,
  INPUTS,
  type Limits,
  limitsOfResume,
  readEarlier,
  type SoakSettings,
  thresholdsOf,
} from './soak-settings.ts';
import { summarizeSoak } from './soak-summary.ts';
import type { Terminal } from './terminal-io.ts';

/** What is given from outside, so that tests can do without threads and let clocks jump. */
export interface SoakMeans {
  readonly runner: () => Promise<CellRunner & { arenaWords(plan: CellPlan): number }>;
  readonly clock: Clock;
  readonly maxRaceBytes?: number;
  /** How long the last cell may take to end after a signal, milliseconds. */
  readonly graceMs?: number;
}

const MIB = 2 ** 20;
const MAX_DISK = 1024 * MIB;
const MAX_MEMORY_MB = 4096;
const MAX_LOG = 16 * MIB;
const DEFAULT_CAMPAIGN = 'default';
/** Threads that do not end must not keep the results from being reported. */
const END_BOUND_MS = 5000;

export const PROCESS_CLOCK: Clock = { wall: () => Date.now(), mono: () => performance.now() };

/** A soak that is ready to run. */
interface Prepared {
  readonly campaign: Campaign;
  readonly isFile: boolean;
  readonly cwd: string;
  readonly settings: SoakSettings;
  readonly limits: Limits;
  readonly resolved: Resolved;
  /** Goes on with this one. */
  readonly earlier: Earlier | null;
}

/** `odptorture soak [CAMPAIGN]`: cells of a campaign in turn until the time is up; the exit code says what they showed. */
export async function soakCommand(
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  means: SoakMeans,
): Promise<number> {
  const root = packageRoot();
  const prepared =
    flags.resume !== undefined && flags.lastFailed !== true
      ? await prepareResume(given, flags, terminal, root)
      : await prepareNew(given, flags, terminal, root);
  const runner = await means.runner();
  checkArenas(prepared.resolved, runner);
  const dir = prepared.earlier?.dir ?? newDir(flags, terminal, prepared.settings.seed, means.clock);
  const notes: string[] = [];
  const lock = lockFolder(join(dir, SOAK_FILES.lock), (note) => notes.push(note));
  try {
    return await runLocked(prepared, dir, lock, notes, flags, terminal, { ...means, runner: async () => runner }, root);
  } finally {
    lock.release();
  }
}

function newDir(flags: SoakFlags, terminal: Terminal, seed: number, clock: Clock): string {
  if (flags.out !== undefined) return givenDir(resolve(terminal.cwd, flags.out));
  const dir = newRunDir({
    root: join(terminal.cwd, 'results'),
    group: 'soak',
    seed,
    startedAt: new Date(clock.wall()),
  });
  linkLatest(dir, { log: (_level, message) => terminal.err(`odptorture: ${message}`) });
  return dir;
}

async function prepareNew(
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  root: string,
): Promise<Prepared> {
  const source = flags.lastFailed === true ? readEarlier(flags.resume ?? 'results/soak/latest', terminal.cwd) : null;
  if (source !== null && (given !== undefined || flags.scenario !== undefined || flags.strategy !== undefined))
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: '--last-failed takes its cells from that soak; leave out all names',
    });
  const { campaign, isFile } =
    source === null
      ? campaignOf(given, flags, terminal, root)
      : { campaign: source.campaign, isFile: source.run.campaign.isFile };
  const before = source?.run.settings;
  const settings: SoakSettings = {
    seed: flags.seed ?? before?.seed ?? randomInt(1, MAX_SEED),
    cellMs: flags.cell ?? before?.cellMs ?? null,
    repeatEach: flags.repeatEach ?? 1,
    judge: flags.expect === true ? 'expectations' : (before?.judge ?? campaign.judge),
    thresholds: flags.threshold?.map(({ text }) => text) ?? before?.thresholds ?? null,
    only: source === null ? null : failedCells(source),
  };
  const cwd = source?.run.campaign.cwd ?? terminal.cwd;
  const resolved = await entriesOf(campaign, settings, cwd, root);
  return { campaign, isFile, cwd, settings, limits: limitsOf(campaign, flags), resolved, earlier: null };
}

/** `--last-failed` without an end of its own runs its cells once. */
function limitsOf(campaign: Campaign, flags: SoakFlags): Limits {
  const isOpen = flags.duration === undefined && flags.until === undefined && flags.stopAt === undefined;
  const once = parseUntil('rotations=1') as Until;
  if (isOpen && flags.lastFailed === true) return { durationMs: null, until: [once] };
  return {
    durationMs: flags.duration ?? (flags.stopAt === undefined ? campaign.duration : null),
    until: flags.until ?? [],
  };
}

async function prepareResume(
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  root: string,
): Promise<Prepared> {
  const earlier = readEarlier(flags.resume!, terminal.cwd);
  if (flags.out !== undefined)
    throw new OdpError({ code: 'ODP_E_USAGE', message: '--resume goes on in its own folder; leave out --out' });
  checkSameCells(given, flags, earlier);
  checkUnchanged(earlier, terminal.err);
  const limits = limitsOfResume(flags, earlier, readSoakCheckpoint(earlier.dir));
  const { campaign, run } = earlier;
  const resolved = await entriesOf(campaign, run.settings, run.campaign.cwd, root);
  return {
    campaign,
    isFile: run.campaign.isFile,
    cwd: run.campaign.cwd,
    settings: run.settings,
    limits,
    resolved,
    earlier,
  };
}

/** The campaign that is named, or one of the scenarios and strategies that are. */
function campaignOf(
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  root: string,
): { campaign: Campaign; isFile: boolean } {
  const { scenario, strategy } = flags;
  if (scenario === undefined && strategy === undefined)
    return { campaign: loadCampaign(findCampaign(root, terminal.cwd, given ?? DEFAULT_CAMPAIGN)), isFile: true };
  if (given !== undefined)
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: 'a campaign names its cells itself; leave it out, or --scenario and --strategy',
    });
  const base = loadCampaign(findCampaign(root, terminal.cwd, DEFAULT_CAMPAIGN));
  const once = (names: readonly string[]): Weighted[] => names.map((name) => ({ name, weight: 1 }));
  const [first] = base.cells;
  const cells = (scenario ?? once(first!.scenarios)).flatMap((s) =>
    (strategy ?? once(first!.strategies)).map((t) => ({
      scenarios: [s.name],
      strategies: [t.name],
      weight: s.weight * t.weight,
    })),
  );
  const text = JSON.stringify(
    { kind: 'campaign', name: 'flags', description: 'From the command line.', cells },
    null,
    2,
  );
  return { campaign: parseCampaign(text, 'command-line'), isFile: false };
}

function findCampaign(root: string, cwd: string, given: string): string {
  const known = shippedCampaigns(root);
  const shipped = known.find(({ name }) => name === given);
  if (shipped !== undefined) return shipped.file;
  if (/\.ya?ml$/.test(given) || /[\\/]/.test(given)) return resolve(cwd, given);
  const hint = didYouMean(
    given,
    known.map(({ name }) => name),
  );
  throw new OdpError({ code: 'ODP_E_CAMPAIGN_UNKNOWN', message: `no campaign '${given}'${hint}` });
}

async function entriesOf(campaign: Campaign, settings: SoakSettings, cwd: string, root: string): Promise<Resolved> {
  const resolved = await resolveCampaign(campaign, {
    findScenario: (name, base) => findScenario(root, base, name),
    choose: chooseStrategies,
    cellMs: settings.cellMs ?? undefined,
    thresholds: thresholdsOf(settings),
    cwd,
  });
  return settings.only === null ? resolved : { ...resolved, entries: onlyCells(resolved.entries, settings.only) };
}

/** Every cell must fit before the first one runs: a night must not end at its third scenario. */
function checkArenas({ entries }: Resolved, runner: Awaited<ReturnType<SoakMeans['runner']>>): void {
  for (const { key, plan } of entries) {
    try {
      runner.arenaWords(plan);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      throw new OdpError({ code: 'ODP_E_MEMORY', message: `${key} does not fit: ${error.message}` }, { cause: error });
    }
  }
}

async function runLocked(
  prepared: Prepared,
  dir: string,
  lock: FolderLock,
  notes: readonly string[],
  flags: SoakFlags,
  terminal: Terminal,
  means: SoakMeans,
  root: string,
): Promise<number> {
  const { campaign, settings, resolved, earlier, limits } = prepared;
  // Under the lock: whoever held it before may have gone on until then.
  const from = earlier === null ? null : readSoakCheckpoint(dir);
  const environment = environmentOf({ commit: commitOf(root), version: packageVersion(root) });
  const runJson = runRecord(prepared, flags, environment);
  const journal = openJournal({
    dir,
    from,
    maxLogBytes: flags.maxLog ?? MAX_LOG,
    isHeld: lock.isHeld,
    ...(means.maxRaceBytes === undefined ? {} : { maxRaceBytes: means.maxRaceBytes }),
    onLost: (reason) =>
      terminal.err(`ODP_E_LOG_LOST: a record could not be written: ${reason}; lost records are counted`),
  });
  const writeRun = (status: string, more: Readonly<Record<string, unknown>> = {}): void =>
    journal.writeWhole(SOAK_FILES.run, `${JSON.stringify({ status, ...runJson, ...more }, null, 2)}\n`);
  const signals = installSignals(terminal.err);
  const runner = await means.runner();
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
      plan: {
        campaign: campaign.name,
        campaignHash: campaign.hash,
        seed: settings.seed,
        rotations: createRotations(resolved.entries, settings.seed, settings.repeatEach),
        durationMs: limits.durationMs,
        until: limits.until,
        stopAt:
          flags.stopAt === undefined ? null : nextOccurrence(flags.stopAt, new Date(means.clock.wall())).getTime(),
        budget: {
          diskBytes: flags.maxDisk ?? MAX_DISK,
          memoryMb: flags.maxMemory === undefined ? MAX_MEMORY_MB : flags.maxMemory / MIB,
        },
      },
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
    view.start(campaign.name, settings.seed, dir, from);
    journal.log('info', from === null ? 'the soak begins' : `the soak goes on with cell ${from.next.index}`, {
      campaign: campaign.name,
      seed: settings.seed,
    });
    const reason = await soak.run();
    const checkpoint = soak.end(wordOf(reason, signals), reason === 'duration' || reason === 'until');
    const summary = summaryOf(checkpoint, prepared, signals, environment, journal);
    journal.log('info', `the soak ends: ${summary.reason}`, { verdict: summary.verdict, exitCode: summary.exitCode });
    journal.writeWhole(SOAK_FILES.summary, `${JSON.stringify(summary, null, 2)}\n`);
    writeRun(summary.interrupted ? 'interrupted' : 'finished', { exitCode: summary.exitCode });
    view.end();
    reportSoak(summary, dir, flags, terminal);
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

const wordOf = (reason: EndReason, signals: Signals): string =>
  reason === 'stopped' || reason === 'abandoned' ? (signals.received() ?? reason) : reason;

function summaryOf(
  checkpoint: SoakCheckpoint,
  { settings, resolved }: Prepared,
  signals: Signals,
  environment: SoakSummary['environment'],
  journal: Journal,
): SoakSummary {
  const received = signals.received();
  return summarizeSoak(checkpoint, {
    judgedBy: settings.judge,
    entries: resolved.entries.map(({ key }) => key),
    environment,
    interruptedBy: received === null ? null : exitCodeOfSignal(received),
    unsaved: journal.races.lost() > checkpoint.totals.records.lost ? EXIT.io : null,
  });
}

async function bounded(end: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const bound = new Promise<void>((done) => {
    timer = setTimeout(done, END_BOUND_MS);
  });
  await Promise.race([end, bound]);
  clearTimeout(timer);
}

/** The texts of all files that the cells depend on: what a later change of them is compared with. */
function copyInputs(journal: Journal, { campaign, resolved }: Prepared): void {
  try {
    makeFolders(join(journal.dir, INPUTS));
  } catch (error) {
    throw outputError(join(journal.dir, INPUTS), error);
  }
  journal.writeWhole(CAMPAIGN_COPY, campaign.text);
  for (const [i, { path, text }] of resolved.inputs.entries()) journal.writeWhole(copyName(i, path), text);
}

const copyName = (i: number, path: string): string => `${INPUTS}/${i}-${basename(path)}`;

function runRecord(
  prepared: Prepared,
  flags: SoakFlags,
  environment: SoakSummary['environment'],
): Record<string, unknown> {
  const { campaign, isFile, cwd, settings, limits, resolved } = prepared;
  const { until: _, threshold: __, ...plain } = flags;
  return {
    schemaVersion: 1,
    kind: 'soak',
    command: 'soak',
    seed: settings.seed,
    pid: process.pid,
    campaign: { name: campaign.name, file: campaign.file, isFile, cwd, sha256: campaign.hash },
    settings,
    limits: { durationMs: limits.durationMs, until: limits.until.map(({ text }) => text) },
    flags: { ...plain, until: limits.until.map(({ text }) => text), threshold: settings.thresholds },
    environment,
    inputs: resolved.inputs.map(({ path, sha256 }, i) => ({ path, copy: copyName(i, path), sha256 })),
    entries: resolved.entries.map(({ key, weight, canary, seed, plan }) => ({
      key,
      weight,
      canary,
      ...(seed === undefined ? {} : { seed }),
      plan,
    })),
  };
}

/** `SIGUSR1`: what goes on at this moment, beside the other results. */
function writeSnapshot(soak: Soak | null, journal: Journal, terminal: Terminal): void {
  if (soak === null) return;
  let n = 1;
  while (existsSync(join(journal.dir, `snapshot-${n}.json`))) n++;
  try {
    journal.writeWhole(`snapshot-${n}.json`, `${JSON.stringify(soak.snapshot(), null, 2)}\n`);
    journal.log('info', `snapshot-${n}.json was written`);
    terminal.err(`odptorture: snapshot in ${journal.dir}/snapshot-${n}.json`);
  } catch (error) {
    terminal.err(`odptorture: no snapshot: ${systemReason(error)}`);
  }
}
