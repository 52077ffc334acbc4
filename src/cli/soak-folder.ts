import { existsSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { figureFiles, LATENCY_FOLDER } from '../report/soak-figures.ts';
import { makeFolders } from '../results/folder.ts';
import type { SoakCheckpoint, SoakSummary } from '../results/soak-types.ts';
import { givenDir, linkLatest, newRunDir, outputError } from '../results/store.ts';
import { systemReason } from '../scenario/errors.ts';
import type { Journal } from '../soak/journal.ts';
import type { Soak } from '../soak/soak.ts';
import type { SoakFlags } from './soak-options.ts';
import type { Prepared } from './soak-prepare.ts';
import { CAMPAIGN_COPY, INPUTS } from './soak-settings.ts';
import type { Terminal } from './terminal-io.ts';

/** The folder of a new soak. Throws `ODP_E_OUTPUT`. */
export function newDir(flags: SoakFlags, terminal: Terminal, seed: number, startedAt: Date): string {
  if (flags.out !== undefined) return givenDir(resolve(terminal.cwd, flags.out));
  const dir = newRunDir({
    root: join(terminal.cwd, 'results'),
    group: 'soak',
    seed,
    startedAt,
  });
  linkLatest(dir, { log: (_level, message) => terminal.err(`odptorture: ${message}`) });
  return dir;
}

/** The texts of all files that the cells depend on: what a later change of them is compared with. */
export function copyInputs(journal: Journal, { campaign, resolved }: Prepared): void {
  makeFoldersIn(journal, INPUTS);
  journal.writeWhole(CAMPAIGN_COPY, campaign.text);
  for (const [i, { path, text }] of resolved.inputs.entries()) journal.writeWhole(copyName(i, path), text);
}

function makeFoldersIn({ dir }: Journal, name: string): void {
  try {
    makeFolders(join(dir, name));
  } catch (error) {
    throw outputError(join(dir, name), error);
  }
}

const copyName = (i: number, path: string): string => `${INPUTS}/${i}-${basename(path)}`;

/** run.json, but for how far the soak has got. */
export function runRecord(
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

/** Distributions and lock statistics over all cells, as a run has them. They follow from the checkpoint. */
export function writeFigures(journal: Journal, { figures, totals }: SoakCheckpoint): void {
  const files = figureFiles(figures, totals.entries);
  if (files.some(([name]) => dirname(name) === LATENCY_FOLDER)) makeFoldersIn(journal, LATENCY_FOLDER);
  for (const [name, text] of files) journal.writeWhole(name, text);
}

/** `SIGUSR1`: what goes on at this moment, beside the other results. */
export function writeSnapshot(soak: Soak | null, journal: Journal, terminal: Terminal): void {
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
