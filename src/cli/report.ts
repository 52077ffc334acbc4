import { appendFileSync, existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join, relative, resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type ChartLibrary, reportHtml } from '../report/html-report.ts';
import { reportJunit } from '../report/soak-junit.ts';
import { loadReport } from '../report/soak-load.ts';
import type { ReportModel } from '../report/soak-model.ts';
import { runPart } from '../report/soak-schemas.ts';
import { reportMarkdown, reportText } from '../report/soak-text.ts';
import { type ColorChoice, styleFor, wantsColor } from '../report/style.ts';
import { makeFolders } from '../results/folder.ts';
import { soakCheckpointSchema } from '../results/soak-types.ts';
import { outputError, writeAtomic } from '../results/store.ts';
import type { Verdict } from '../results/types.ts';
import { EXIT, OdpError, systemReason } from '../scenario/errors.ts';
import { packageRoot, shippedScenarios } from './package-root.ts';
import { summarizeSoak } from './soak-summary.ts';
import type { Terminal } from './terminal-io.ts';

export interface ReportFlags {
  readonly out?: string;
  readonly quiet?: boolean;
  readonly color: ColorChoice;
}

export function addReportOptions(command: Command): Command {
  return command
    .option('-o, --out <dir>', 'write the files to this folder instead of that of the results')
    .option('-q, --quiet', 'print only where the page is')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));
}

/** Files that `report` writes. */
export const REPORT_FILES = { page: 'report.html', junit: 'junit.xml', markdown: 'summary.md' } as const;

/**
 * `odptorture report [DIR]`: reads a folder of results, finished, running or left by a killed process, and writes report.html,
 * junit.xml and summary.md there. Exits 0 when they are written, whatever they say: the run has had its own exit code.
 */
export async function reportCommand(
  given: string | undefined,
  flags: ReportFlags,
  terminal: Terminal,
): Promise<number> {
  const dir = given === undefined ? latestRun(join(terminal.cwd, 'results')) : resolve(terminal.cwd, given);
  const model = readReport(dir, terminal.cwd);
  const out = flags.out === undefined ? dir : resolve(terminal.cwd, flags.out);
  if (flags.out !== undefined) makeOut(out);
  const page = writeReport(model, out);
  stepSummary(model, terminal);
  if (flags.quiet !== true) {
    const style = styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
    for (const line of reportText(model, { style, width: terminal.width })) terminal.out(line);
    terminal.out('');
  }
  terminal.out(shortPath(terminal.cwd, page));
  return EXIT.ok;
}

function makeOut(out: string): void {
  try {
    makeFolders(out);
  } catch (error) {
    throw outputError(out, error);
  }
}

/** What a folder of results says. Throws `ODP_E_RESULTS` when it is none. */
export function readReport(dir: string, cwd: string): ReportModel {
  const shipped = new Set(shippedScenarios(packageRoot()).map(({ name }) => name));
  return loadReport(dir, {
    shownDir: shortPath(cwd, dir),
    judge: judgeUnfinished,
    scenarioArgument: (name) => (shipped.has(name) ? name : `./${name}.yaml`),
    alive,
  });
}

/** As the soak itself would sum up if it ended at its last checkpoint. */
function judgeUnfinished(run: unknown, checkpoint: unknown): { verdict: Verdict; why: readonly string[] } | null {
  const settings = runPart.safeParse(run).data;
  const known = soakCheckpointSchema.safeParse(checkpoint).data;
  if (settings === undefined || known === undefined) return null;
  return summarizeSoak(known, {
    judgedBy: settings.settings?.judge ?? 'violations',
    entries: (settings.entries ?? []).map(({ key }) => key),
    environment: settings.environment,
    interruptedBy: null,
    unsaved: null,
  });
}

/** Writes the three files and returns the path of the page. Throws `ODP_E_OUTPUT`. */
export function writeReport(model: ReportModel, dir: string): string {
  const page = join(dir, REPORT_FILES.page);
  writeAtomic(page, reportHtml(model, chartLibrary()));
  writeAtomic(join(dir, REPORT_FILES.junit), reportJunit(model));
  writeAtomic(join(dir, REPORT_FILES.markdown), reportMarkdown(model));
  return page;
}

const shortPath = (cwd: string, path: string): string => {
  const near = relative(cwd, path);
  return near === '' ? '.' : near.startsWith('..') ? path : near;
};

/** A process of another user's is there too: EPERM. */
function alive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return systemReason(error) === 'EPERM';
  }
}

export function chartLibrary(): ChartLibrary {
  const { resolve: find } = createRequire(import.meta.url);
  const file = (name: string): string => readFileSync(find(`uplot/dist/${name}`), 'utf8');
  return { script: file('uPlot.iife.min.js'), style: file('uPlot.min.css') };
}

/** The run that was begun last, of all groups; explorations have pages of their own. */
function latestRun(root: string): string {
  const folders = (dir: string): string[] =>
    existsSync(dir)
      ? readdirSync(dir).filter((name) => statSync(join(dir, name), { throwIfNoEntry: false })?.isDirectory())
      : [];
  const runs = folders(root)
    .filter((group) => !group.startsWith('explore-'))
    .flatMap((group) => folders(join(root, group)).map((name) => ({ name, dir: join(root, group, name) })))
    .filter(({ name, dir }) => /^\d{8}T\d{6}Z-/.test(name) && existsSync(join(dir, 'run.json')))
    // Names begin with the time.
    .sort((a, b) => (a.name < b.name ? 1 : -1));
  if (runs[0] !== undefined) return runs[0].dir;
  throw new OdpError({ code: 'ODP_E_RESULTS', message: 'there are no results here; name a folder', at: root });
}

/** The page of a GitHub job. Not being able to write it is no reason to fail. */
export function stepSummary(model: ReportModel, terminal: Terminal): void {
  const file = terminal.env.GITHUB_STEP_SUMMARY ?? '';
  if (file === '') return;
  try {
    appendFileSync(file, reportMarkdown(model));
  } catch (error) {
    terminal.err(`odptorture: no step summary: ${systemReason(error)}`);
  }
}
