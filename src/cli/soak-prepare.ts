import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { readSoakCheckpoint } from '../results/checkpoint.ts';
import { OdpError } from '../scenario/errors.ts';
import { MAX_SEED } from '../scenario/resolve.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { type Campaign, loadCampaign, parseCampaign } from '../soak/campaign.ts';
import { onlyCells, type Resolved, resolveCampaign } from '../soak/entries.ts';
import { parseUntil, type Until } from '../soak/until.ts';
import { chooseStrategies } from './choose-strategies.ts';
import { findScenario, shippedCampaigns } from './package-root.ts';
import type { SoakFlags, Weighted } from './soak-options.ts';
import {
  checkSameCells,
  checkUnchanged,
  type Earlier,
  failedCells,
  type Limits,
  limitsOfResume,
  readEarlier,
  type SoakSettings,
  thresholdsOf,
} from './soak-settings.ts';
import type { Terminal } from './terminal-io.ts';

const DEFAULT_CAMPAIGN = 'default';

/** A soak that is ready to run. */
export interface Prepared {
  readonly campaign: Campaign;
  readonly isFile: boolean;
  readonly cwd: string;
  readonly settings: SoakSettings;
  readonly limits: Limits;
  readonly resolved: Resolved;
  /** Goes on with this one. */
  readonly earlier: Earlier | null;
}

/** What the command line asks for: a new soak, or one that goes on. Throws `OdpError`. */
export const prepare = (
  given: string | undefined,
  flags: SoakFlags,
  terminal: Terminal,
  root: string,
): Promise<Prepared> =>
  flags.resume !== undefined && flags.lastFailed !== true
    ? prepareResume(given, flags, terminal, root)
    : prepareNew(given, flags, terminal, root);

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
    lockStat: flags.lockStat ?? before?.lockStat ?? null,
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
    lockStat: settings.lockStat ?? undefined,
    thresholds: thresholdsOf(settings),
    cwd,
  });
  return settings.only === null ? resolved : { ...resolved, entries: onlyCells(resolved.entries, settings.only) };
}
