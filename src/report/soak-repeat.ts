import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ViolationRecord } from '../results/types.ts';
import { VIOLATION_FILE } from '../results/violation-file.ts';
import { formatDuration } from '../scenario/duration.ts';
import { signatureOf } from '../torture/signatures.ts';
import { REPLAY_FILE } from './explore-result.ts';
import { jsonOf, recordOf } from './soak-lines.ts';
import type { EntryRow } from './soak-model.ts';

export interface RepeatContext {
  readonly dir: string;
  /** Of each signature a folder in violations/. */
  readonly folders: ReadonlyMap<string, string>;
  /** The folder as a command line in the working folder names it. */
  readonly shownDir: string;
  readonly scenarioArgument: (name: string) => string;
  /** Plans of a run's cells, or of a soak's kinds of cells. */
  readonly plans: readonly Readonly<Record<string, unknown>>[];
  readonly entries: readonly EntryRow[];
}

/** A command that shows a violation again. */
export interface Repeat {
  readonly command: string;
  /** What it does, for people. */
  readonly how: string;
}

/** Commands that show a violation again, the surest first. */
export function repeatCommands(
  record: ViolationRecord | null,
  { signature }: { readonly signature: string },
  context: RepeatContext,
): Repeat[] {
  if (record === null) return [];
  const folder = context.folders.get(signature);
  return [
    ...(folder === undefined ? [] : exploreCommands(folder, context)),
    {
      command: runCommand(record, context),
      how: 'gives the cell another go on free threads, where it comes by chance',
    },
  ];
}

function exploreCommands(folder: string, { dir, shownDir }: RepeatContext): Repeat[] {
  const schedule = join('explained', REPLAY_FILE);
  const shown = `${shownDir}/violations/${folder}`;
  const explained = existsSync(join(dir, 'violations', folder, schedule));
  return [
    ...(explained
      ? [
          {
            command: `odptorture replay ${quoted(`${shown}/${schedule}`)}`,
            how: 'replays its smallest schedule, every time',
          },
        ]
      : []),
    {
      command: `odptorture explore --from ${quoted(shown)}`,
      how: 'looks for the smallest program and schedule that show it, to be replayed every time',
    },
  ];
}

/** A word as a shell takes it whole. */
export const quoted = (text: string): string =>
  /^[\w./:=@%+,-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;

function runCommand(record: ViolationRecord, context: RepeatContext): string {
  const { entries, scenarioArgument } = context;
  const { scenario, strategy, seed } = record;
  const plan = planOf(record, context);
  const era = plan?.era ?? entries.find((e) => e.scenario === scenario && e.strategy === strategy)?.era;
  const file = (plan?.strategyFile as { url?: unknown } | undefined)?.url;
  const words = ['odptorture', 'run', quoted(scenarioArgument(scenario))];
  words.push('--strategy', quoted(typeof file === 'string' ? fileURLToPath(file) : strategy));
  if (typeof era === 'string') words.push('--era', era);
  const params = Object.entries((plan?.params ?? {}) as Record<string, number>);
  if (params.length > 0) words.push('--param', params.map(([name, value]) => `${name}=${value}`).join(','));
  if (plan?.kind === 'load' && typeof plan.durationMs === 'number') words.push('-d', durationWord(plan.durationMs));
  words.push('--seed', String(seed));
  return words.join(' ');
}

/** The cell's plan: beside the violation that was kept, or of its kind in run.json. */
function planOf(
  record: ViolationRecord,
  { dir, folders, plans }: RepeatContext,
): Readonly<Record<string, unknown>> | null {
  const { scenario, strategy, seed } = record;
  const folder = folders.get(signatureOf(record)) ?? folders.get(record.signature);
  const file = join(dir, 'violations', folder ?? '', 'cell.json');
  if (folder !== undefined && existsSync(file))
    return jsonOf(readFileSync(file, 'utf8')) as Readonly<Record<string, unknown>> | null;
  const kinds = plans.filter((cell) => cell.scenario === scenario && cell.strategy === strategy);
  return kinds.find((cell) => cell.seed === seed) ?? kinds[0] ?? null;
}

/** Exact, unlike what is printed for people. */
const durationWord = (ms: number): string => (ms % 1000 === 0 ? formatDuration(ms).replace(/\.0s$/, 's') : `${ms}ms`);

/** Of each signature the folder in `violations/` that was kept first. */
export function violationFolders(dir: string): Map<string, string> {
  const parent = join(dir, 'violations');
  const found = new Map<string, string>();
  const names = existsSync(parent) ? readdirSync(parent).filter((name) => /^\d+$/.test(name)) : [];
  for (const name of names.sort((a, b) => Number(a) - Number(b))) {
    const file = join(parent, name, VIOLATION_FILE);
    if (!existsSync(file)) continue;
    const record = recordOf(readFileSync(file, 'utf8'));
    if (record === null) continue;
    // A soak's records have the whole signature, a run's the part of it that a cell knows.
    for (const signature of [signatureOf(record), record.signature])
      if (!found.has(signature)) found.set(signature, name);
  }
  return found;
}
