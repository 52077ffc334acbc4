import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { onOneCore } from '../src/explore/control/one-core.ts';
import { allowedCores } from '../src/explore/pipeline/process.ts';
import { SCT_PROGRAMS, type SctProgram } from '../test/programs/sct/index.ts';
import { emptySection, writeSection } from './doc-section.ts';
import {
  bareHandOff,
  type FirstBugs,
  firstBugs,
  meanInterval,
  type Policy,
  rateOf,
  searchOf,
  withProgram,
} from './explore-measure.ts';
import { program, WALL_ROWS, wallOf } from './explore-wall.ts';

/** Writes docs/explore-figures.md: what the schedule explorer finds, how soon, and how fast it is. */
const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    out: { type: 'string', default: 'docs/explore-figures.md' },
  },
});
const { quick } = values;

/** Set in the process that is started for what is measured on one core. */
const INNER = 'ODPTORTURE_FIGURES_INNER';
const PROCESSES = 2;
const SECTION = 'generated';
const SCT_LIMIT = 10_000;
const MODEL_LIMIT = 60_000;

/** The sections that are measured in one process, on one core: they are printed by a process that is started for them. */
async function pinnedSections(): Promise<string> {
  const parts = [
    await sctSection(quick ? 5 : 20),
    await createdSection(quick ? 3 : 20),
    await modelSection(),
    await rateSection(quick ? 1000 : 4000),
  ];
  return parts.join('\n\n');
}

async function measure(): Promise<void> {
  const { pinned, command, args } = onOneCore(allowedCores().at(-1)!, process.execPath, process.argv.slice(1));
  const child = spawnSync(command, args, {
    stdio: ['ignore', 'pipe', 'inherit'],
    encoding: 'utf8',
    env: { ...process.env, [INNER]: '1' },
  });
  if (child.status !== 0) throw new Error(`measuring ended with ${child.status ?? child.signal}`);
  const parts = [
    heading(pinned),
    child.stdout.trimEnd(),
    await commandRates(quick ? 20_000 : 300_000),
    await wallSection(),
  ];
  write(parts.join('\n\n'));
}

/** Both processes together, by the command itself. */
async function commandRates(schedules: number): Promise<string> {
  const rows: string[][] = [];
  for (const [model, policy] of [
    ['A', 'random'],
    ['A', 'pos'],
    ['B', 'pos'],
    ['B', 'mix'],
  ] as const) {
    progress(`rate of the command: ${model}, ${policy}`);
    const target = program(`model-${model.toLowerCase()}`);
    const args = [target, '--policy', policy, '--all', '--schedules', `${schedules}`, '-j', `${PROCESSES}`];
    const { exploration } = await wallOf(args);
    rows.push([model, LABELS[policy], grouped(exploration.schedules), round(exploration.perSecond)]);
  }
  return `The command itself, \`explore --all --schedules N\`, with ${PROCESSES} processes on ${allowedCores().length} cores: sampling, judging and
counting what is covered, without its start.

${table(['model', 'policy', 'schedules', 'schedules/s'], rows, 2)}`;
}

async function wallSection(): Promise<string> {
  const rows: string[][] = [];
  for (const [name, args] of WALL_ROWS) {
    progress(`wall time of ${name}`);
    const { seconds, exploration } = await wallOf([...args, '-j', `${PROCESSES}`]);
    const { verdict, guarantee, schedules, violations } = exploration;
    const [first] = violations;
    const what =
      first === undefined
        ? (guarantee ?? exploration.why)
        : `${first.oracle}, ${first.preemptions} preemption${first.preemptions === 1 ? '' : 's'}${first.fewest ? ', the fewest possible' : ''}`;
    rows.push([name, verdict, what, grouped(schedules), seconds.toFixed(2)]);
  }
  return `## Time to a verdict

\`odptorture explore TARGET\` with its defaults (bound, DPOR, sampling; 60 s at most) and ${PROCESSES} processes: from the start of the command
to its end, with what it takes to load, to make a finding small, to show that fewer preemptions are not enough, and to write it down.

${table(['target', 'verdict', 'what was shown', 'schedules', 'seconds'], rows, 3)}`;
}

/** Replaces what is between the marks of the file; a new one has nothing else. */
function write(text: string): void {
  if (!existsSync(values.out))
    writeFileSync(values.out, `# What the schedule explorer finds\n\n${emptySection(SECTION)}`);
  writeSection(values.out, SECTION, text);
  console.log(`${values.out} written`);
}

function heading(pinned: boolean): string {
  const model = cpus()[0]?.model.trim() ?? 'an unknown CPU';
  const where = pinned ? 'all threads of a process on one core' : 'not pinned, because that is not possible there';
  return `Made by

    npm run build && node dist/bench/explore-figures.js${quick ? ' --quick' : ''}

with Node ${process.version} (${process.platform} ${process.arch}) on ${model}, ${where}.`;
}

async function sctSection(seeds: number): Promise<string> {
  const policies: readonly Policy[] = ['random', 'pct3', 'pos', 'surw', 'mix'];
  const rows: string[][] = [];
  for (const program of SCT_PROGRAMS) {
    progress(program.name);
    const cells = await withProgram(program.url, program.name, (host) =>
      policies.map((policy) => schedulesCell(firstBugs(host, policy, seeds, SCT_LIMIT))),
    );
    rows.push([program.name, `${program.program.threads.length}`, ...cells, ...publishedCells(program)]);
  }
  const head = ['program', 'threads', 'random', 'PCT-3', 'POS', 'SURW', 'mix', 'random*', 'PCT-3*', 'POS*', 'SURW*'];
  return `## Programs of SCTBench

Mean number of schedules to the first bug over ${seeds} seeds, at most ${SCT_LIMIT.toLocaleString('en')} schedules each;
in brackets the seeds that found it where that is not all. \`mix\` is the default. Columns with a star are the published ones: the
artifact of "Selectively Uniform Concurrency Testing" (ASPLOS 2025), 20 runs each, same limit.

${table(head, rows, 1)}

The programs were written afresh (\`test/programs/sct\`): with the threads that run side by side and without the one that only makes
them, and with accesses to shared variables and operations of locks as steps, where the published figures count each instruction that
touches memory. Both make schedules shorter, which helps the random walk and PCT most.`;
}

const publishedCells = ({ published: { random, pct3, pos, surw } }: SctProgram): string[] =>
  [random, pct3, pos, surw].map((n) => (n === null ? '-' : n.toLocaleString('en')));

async function createdSection(seeds: number): Promise<string> {
  const limit = quick ? 1000 : 3000;
  const policies: readonly Policy[] = ['random', 'pct3', 'pos', 'surw', 'mix'];
  const rows: string[][] = [];
  for (const n of [3, 5]) {
    const name = `reorder_${n}`;
    progress(`${name} with its creator`);
    const url = new URL(`../test/programs/sct/reorder-${n}-created.js`, import.meta.url).href;
    const cells = await withProgram(url, name, (host) =>
      policies.map((policy) => schedulesCell(firstBugs(host, policy, seeds, limit))),
    );
    rows.push([name, `${n + 1}`, ...cells]);
  }
  return `How much the thread that makes the others matters: the same two with it, five steps to a thread, at most ${limit.toLocaleString('en')} schedules.
That is what the random walk fails at, here as in the published figures.

${table(['program', 'threads', 'random', 'PCT-3', 'POS', 'SURW', 'mix'], rows, 1)}`;
}

async function modelSection(): Promise<string> {
  const many = quick ? 100 : 1000;
  const few = quick ? 2 : 5;
  const plans: readonly (readonly [string, Policy, number])[] = [
    ['A', 'random', many],
    ['A', 'pct5', many],
    ['A', 'pos', many],
    ['A', 'surw', many],
    ['A', 'mix', many],
    ['B', 'random', few],
    ['B', 'pct5', few],
    ['B', 'pos', quick ? 5 : 50],
    ['B', 'surw', quick ? 3 : 20],
    ['B', 'mix', quick ? 3 : 20],
    ['B', 'novelty', quick ? 3 : 20],
  ];
  const rows: string[][] = [];
  for (const [model, policy, seeds] of plans) {
    progress(`model ${model}, ${policy}`);
    const file = `model-${model.toLowerCase()}`;
    const url = new URL(`../test/programs/${file}.js`, import.meta.url).href;
    const bugs = await withProgram(url, file, (host) => firstBugs(host, policy, seeds, MODEL_LIMIT));
    rows.push([model, LABELS[policy], `${bugs.found.length} of ${seeds}`, ...modelCells(bugs)]);
  }
  return `## Models A and B

A: the count below zero, two threads. B: the clamp, three threads, three preemptions. Schedules to the bug with the 95 % interval
of the mean (Student), at most ${MODEL_LIMIT.toLocaleString('en')} schedules a seed. Where not all seeds found it there is no such mean;
the last column, all schedules divided by all bugs, is right in either case.

${table(['model', 'policy', 'found', 'mean', '95 % interval', 'schedules a bug'], rows, 2)}`;
}

const LABELS: Readonly<Record<Policy, string>> = {
  random: 'random',
  pct: 'PCT',
  pct3: 'PCT-3',
  pct5: 'PCT-5',
  pos: 'POS',
  surw: 'SURW',
  mix: 'mix (default)',
  novelty: 'novelty',
};

function modelCells({ seeds, found, schedules }: FirstBugs): string[] {
  const perBug = found.length === 0 ? `more than ${round(schedules)}` : round(schedules / found.length);
  if (found.length < seeds) return ['-', '-', perBug];
  const { mean, low, high } = meanInterval(found);
  return [round(mean), `${round(low)} .. ${round(high)}`, perBug];
}

async function rateSection(ms: number): Promise<string> {
  const bare = [await bareHandOff(20_000)];
  const rows: string[][] = [];
  for (const [model, policy] of [
    ['A', 'random'],
    ['A', 'pos'],
    ['B', 'pos'],
    ['B', 'mix'],
  ] as const) {
    progress(`rate of ${model}, ${policy}`);
    const file = `model-${model.toLowerCase()}`;
    const url = new URL(`../test/programs/${file}.js`, import.meta.url).href;
    const rate = await withProgram(url, file, (host) => rateOf(host, searchOf(policy, 1), ms));
    rows.push([
      model,
      LABELS[policy],
      round(rate.schedulesPerSecond),
      round(rate.schedulesPerCpuSecond),
      rate.steps.toFixed(1),
      rate.handOffs.toFixed(1),
      rate.usPerHandOff.toFixed(2),
    ]);
    bare.push(await bareHandOff(20_000));
  }
  const [low, high] = [Math.min(...bare).toFixed(2), Math.max(...bare).toFixed(2)];
  return `## Rates

On one core. A bare hand-off between two threads, with nothing but a store, a notify and a wait, took ${low} to ${high} us of CPU
time here, measured before, between and behind these: most of a schedule is hand-offs. \`us a hand-off\` is all the CPU time of a
schedule divided by them. Where schedules a second and a CPU second differ, the machine had other work.

${table(['model', 'policy', 'schedules/s', 'schedules/CPU s', 'steps', 'hand-offs', 'us a hand-off'], rows, 2)}`;
}

function schedulesCell({ seeds, found }: FirstBugs): string {
  if (found.length === 0) return '-';
  const { mean } = meanInterval(found);
  return found.length === seeds ? round(mean) : `${round(mean)} (${found.length})`;
}

const grouped = (n: number): string => n.toLocaleString('en');
const round = (x: number): string => (x < 100 ? x.toFixed(1) : x.toLocaleString('en', { maximumFractionDigits: 0 }));

/** A Markdown table whose source is aligned; the first `texts` columns lean to the left. */
function table(head: readonly string[], rows: readonly (readonly string[])[], texts: number): string {
  const widths = head.map((title, i) => Math.max(title.length, 3, ...rows.map((row) => row[i]!.length)));
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell, i) => (i < texts ? cell.padEnd(widths[i]!) : cell.padStart(widths[i]!))).join(' | ')} |`;
  const rule = widths.map((width, i) => (i < texts ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`));
  return [line(head), line(rule), ...rows.map(line)].join('\n');
}

function progress(what: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${what}\n`);
}

if (process.env[INNER] === undefined) await measure();
else console.log(await pinnedSections());
