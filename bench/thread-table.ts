import type { Claim, Question, Subject } from './thread-claims.ts';
import type { Drawn, Ran, Row, Searched } from './thread-measure.ts';

/** All that was seen about one claim. */
export interface Measured {
  readonly rows: readonly Row[];
  /** Commands that show the rows again. */
  readonly commands: readonly string[];
  readonly drawn: Drawn | null;
  readonly seconds: number;
}

export interface Answer extends Measured {
  readonly claim: Claim;
}

export interface AnsweredRun {
  readonly command: string;
  readonly machine: string;
  readonly seed: number;
  readonly schedules: number;
}

const code = (text: string): string => `\`${text}\``;
const shown = (n: number): string => n.toLocaleString('en-US');
const escaped = (text: string): string => text.replaceAll('|', '\\|');
const list = (words: readonly string[]): string =>
  words.length < 2 ? (words[0] ?? '') : `${words.slice(0, -1).join(', ')} and ${words.at(-1)}`;
const unique = (words: readonly string[]): string[] => [...new Set(words)];

/** A rate with as many digits as three events in 1,000 need. */
const rateText = (count: number, of: number): string =>
  count === 0 ? 'none' : count >= of ? (count / of).toFixed(1) : `1 in ${shown(Math.round(of / count))}`;

function exposed({ exposures }: Ran, names: readonly string[]): string {
  const seen = names.filter((name) => (exposures[name] ?? 0) > 0).map((name) => `${name} ${shown(exposures[name]!)}`);
  return seen.length === 0 ? `no ${names.join(', no ')}` : seen.join(', ');
}

/** What free threads did in one cell: violations in iterations or seconds, and how often the window was open. */
function ranText(ran: Ran, names: readonly string[]): string {
  const span = ran.iterations === null ? `${ran.seconds.toFixed(1)} s` : `${shown(ran.iterations)} it.`;
  const found = Object.entries(ran.violations)
    .sort(([, a], [, b]) => b - a)
    .map(([oracle, count]) => `${oracle} ${shown(count)}`);
  const order = ran.forced === null ? [] : [ran.forced > 0 ? `order had ${ran.forced} times` : 'order impossible'];
  return [
    found.length === 0 ? `no violation in ${span}` : `${found.join(', ')} in ${span}`,
    ...order,
    exposed(ran, names),
    ...(ran.fault === null ? [] : [`ended by ${ran.fault}`]),
  ].join('; ');
}

const executions = (proof: string): string => proof.replace('exhaustive: ', '').replace(/ executions?/, '');

/** The verdict of the search: PROVED and VIOLATED are what \`explore\` says; with neither, how far it came. */
function searchedText({ proof, bounded, schedules, violations, broken }: Searched): string {
  if (broken !== null) return `broken off: ${broken}`;
  const extent = proof === null ? `${shown(schedules)} schedules, not all` : `all ${executions(proof).split(',')[0]}`;
  if (violations.length > 0) {
    const oracles = violations.map(({ oracle, preemptions }) => `${oracle} (${preemptions ?? '?'})`);
    return `**VIOLATED** ${oracles.join(', ')}; ${extent}`;
  }
  return proof === null ? `none in ${shown(schedules)} schedules; ${bounded ?? 'sampled'}` : `PROVED, ${extent}`;
}

/** Eras in whose cells the same is written share a row. */
function tableRows(rows: readonly Row[], text: (row: Row) => string): string[][] {
  const lines: { label: string; eras: string[]; text: string }[] = [];
  for (const label of unique(rows.map((row) => row.label)))
    for (const row of rows.filter((one) => one.label === label)) {
      const words = text(row);
      const same = lines.find((line) => line.label === label && line.text === words);
      if (same === undefined) lines.push({ label, eras: [row.era], text: words });
      else same.eras.push(row.era);
    }
  return lines.map((line) => [line.label, line.eras.join(', '), line.text]);
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const all = [head, head.map(() => '---'), ...rows];
  return all.map((cells) => `| ${cells.map(escaped).join(' | ')} |`).join('\n');
}

const isLoad = (rows: readonly Row[]): boolean => rows.every(({ searched }) => searched === null);

const LOAD_HEAD = [
  'design',
  'seen',
  'commits/s',
  'retries a commit',
  'fault p99, us',
  'registrations/s',
  'register p99, us',
];

const perSecond = (count: number, { seconds }: Ran): string => shown(Math.round(count / Math.max(seconds, 0.001)));

function loadRow({ label, ran }: Row, names: readonly string[]): string[] {
  if (ran === null) return [label, 'not run', '', '', '', '', ''];
  return [
    label,
    ranText(ran, names),
    perSecond(ran.commits, ran),
    (ran.retries / Math.max(ran.commits, 1)).toFixed(2),
    shown(Math.round(ran.faultP99Us)),
    perSecond(ran.registrations, ran),
    shown(Math.round(ran.registerP99Us)),
  ];
}

function scenarioTables(claim: Claim, rows: readonly Row[]): string[] {
  return claim.scenarios.flatMap(({ name, exposures }) => {
    const own = rows.filter((row) => row.scenario === name);
    if (own.length === 0) return [];
    const eras = unique(own.map(({ era }) => era)).join(', ');
    if (isLoad(own)) {
      const body = own.map((row) => loadRow(row, exposures));
      return [`${code(name)}, free threads, ${eras}:`, table(LOAD_HEAD, body)];
    }
    const searched = tableRows(own, (row) => (row.searched === null ? '' : searchedText(row.searched)));
    const ran = tableRows(own, (row) => (row.ran === null ? 'not run' : ranText(row.ran, exposures)));
    return [
      `${code(name)}, explored: all schedules, one thread at a time.`,
      table(['design', 'eras', 'explored'], searched),
      `${code(name)}, on real threads:`,
      table(['design', 'eras', 'seen'], ran),
    ];
  });
}

const oraclesOf = ({ ran, searched }: Row): string[] =>
  unique([...(searched?.violations.map(({ oracle }) => oracle) ?? []), ...Object.keys(ran?.violations ?? {})]);

const isOf =
  ({ scenario, label }: Subject) =>
  (row: Row): boolean =>
    row.scenario === scenario && row.label === label;

/** What was answered, and how far it holds. */
export interface Verdict {
  readonly word: string;
  readonly sentence: string;
}

const wordOf = (holds: readonly string[], not: readonly string[]): string =>
  not.length === 0 ? 'holds' : holds.length === 0 ? 'does not hold' : `holds in ${list(holds)}`;

function eraVerdict(
  rows: readonly Row[],
  subjects: readonly Subject[],
  holdsIn: (row: Row) => boolean,
  tell: (rows: readonly Row[], holds: boolean) => string,
): Verdict {
  const own = rows.filter((row) => subjects.some((subject) => isOf(subject)(row)));
  if (own.length === 0) return { word: 'not run', sentence: 'No cell of it was run.' };
  const eras = unique(own.map(({ era }) => era));
  const holds = eras.filter((era) => own.filter((row) => row.era === era).every(holdsIn));
  const not = eras.filter((era) => !holds.includes(era));
  const part = (names: readonly string[], isHeld: boolean): string[] =>
    names.length === 0 ? [] : [`${list(names)}: ${tell(own.filter(({ era }) => names.includes(era)), isHeld)}.`];
  return { word: wordOf(holds, not), sentence: [...part(holds, true), ...part(not, false)].join(' ') };
}

/** Who of them showed what. */
function foundText(rows: readonly Row[], oracles: (row: Row) => readonly string[]): string {
  const lines = unique(
    rows
      .filter((row) => oracles(row).length > 0)
      .map((row) => `${code(row.label)} in ${code(row.scenario)} shows ${list(oracles(row))}`),
  );
  return lines.length === 0 ? 'nothing was seen' : lines.join('; ');
}

/** How strong "no violation" is: proved, or how far the searches came. */
function silentText(rows: readonly Row[]): string {
  const open = rows.filter(({ searched }) => searched !== null && searched.proof === null);
  const total = rows.reduce((sum, { searched }) => sum + (searched?.schedules ?? 0), 0);
  const extent =
    open.length === 0 ? `proved, ${shown(total)} executions together` : `none in ${shown(total)} schedules, not all`;
  const loops = rows.reduce((sum, { ran }) => sum + (ran?.iterations ?? 0), 0);
  return `no violation (${extent}; none in ${shown(loops)} iterations on real threads)`;
}

const retriesOf = ({ ran }: Row): number => (ran === null ? 0 : ran.retries / Math.max(ran.commits, 1));
/** From here on one design pays more than another: less than twice may be the machine. */
const DEARER = 2;

function costVerdict({ dear, cheap }: Question & { kind: 'costs' }, rows: readonly Row[]): Verdict {
  const a = rows.find(isOf(dear));
  const b = rows.find(isOf(cheap));
  if (a?.ran == null || b?.ran == null) return { word: 'not run', sentence: 'No cell of it was run.' };
  const starved = a.ran.violations.starvation ?? 0;
  const holds = starved > 0 || retriesOf(a) >= DEARER * retriesOf(b);
  const sentence =
    `${code(a.label)} refuses ${retriesOf(a).toFixed(2)} times for each fault that it commits, ${code(b.label)} ${retriesOf(b).toFixed(2)} times, ` +
    `and commits ${perSecond(a.ran.commits, a.ran)} a second where the other commits ${perSecond(b.ran.commits, b.ran)}; ` +
    `starvation: ${starved === 0 ? 'none' : `${shown(starved)} times`}.`;
  return { word: holds ? 'holds' : 'does not hold here', sentence };
}

function rateVerdict({ subject, oracles, exposure }: Question & { kind: 'rate' }, rows: readonly Row[]): Verdict {
  const sentences = rows
    .filter(({ label, ran }) => label === subject.label && ran !== null)
    .map(({ scenario, ran }) => {
      const count = oracles.reduce((sum, oracle) => sum + (ran!.violations[oracle] ?? 0), 0);
      const of = ran!.exposures[exposure] ?? 0;
      const bound = count > 0 || of === 0 ? '' : ` (a rate below ${(3 / of).toExponential(1)} each, at 95 %)`;
      return (
        `${code(scenario)}: ${list(oracles)} ${shown(count)} times in ${shown(of)} ${exposure}, ${rateText(count, of)}${bound}; ` +
        `${(count / Math.max(ran!.seconds, 0.001)).toFixed(1)} a second.`
      );
    });
  const asked = rows.find(isOf(subject))?.ran;
  const seen = oracles.reduce((sum, oracle) => sum + (asked?.violations[oracle] ?? 0), 0);
  const word = asked == null ? 'not run' : seen === 0 ? 'not seen' : 'seen';
  return { word, sentence: `${code(subject.label)}, ${sentences.join(' ')}` };
}

/** What the machine says to a claim, from the rows alone. */
export function verdictOf({ question }: Claim, rows: readonly Row[]): Verdict {
  switch (question.kind) {
    case 'breaks': {
      const hits = (row: Row): string[] => oraclesOf(row).filter((oracle) => question.oracles.includes(oracle));
      return eraVerdict(
        rows,
        question.subjects,
        (row) => hits(row).length > 0,
        (own, holds) => (holds ? foundText(own, hits) : silentText(own)),
      );
    }
    case 'safe':
      return eraVerdict(
        rows,
        question.subjects,
        (row) => oraclesOf(row).length === 0,
        (own, holds) => (holds ? silentText(own) : foundText(own, oraclesOf)),
      );
    case 'costs':
      return costVerdict(question, rows);
    case 'rate':
      return rateVerdict(question, rows);
  }
}

/** Points that say nothing about the protocol: the verbs are what their own points say again. */
const NOISE = /-- verb\./;
/** A step that is drawn although it is only a lock's or an atomic's: where a thread was stopped, and what decides. */
const MARKED = /^ *\d+ *[~>]|^ *\d+.*[~>] *[|:]/;

/** The points of a timeline, and the steps that decide; its locks and atomics are left to the command. */
export function shortTimeline(lines: readonly string[]): string[] {
  const rule = lines.findIndex((line) => /^-+\+-+/.test(line));
  if (rule < 1) return [...lines];
  const kept = lines
    .slice(rule + 1)
    .filter((line) => (line.includes('-- ') && !NOISE.test(line)) || MARKED.test(line) || line.startsWith('==>'));
  return [lines[0]!, '', lines[rule - 1]!, lines[rule]!, ...kept].map((line) => line.trimEnd());
}

function drawnText(drawn: Drawn): string[] {
  if (drawn.lines === null) return [`No schedule shows a violation: ${code(drawn.command)}.`];
  const text = shortTimeline(drawn.lines).join('\n');
  return ['The shortest schedule that shows it, without its locks and atomics:', `\`\`\`text\n${text}\n\`\`\``];
}

function section({ claim, rows, commands, drawn }: Answer): string {
  const { word, sentence } = verdictOf(claim, rows);
  const seen = [...commands, ...(drawn === null ? [] : [drawn.command])].map((line) => `    ${line}`);
  return [
    `## ${claim.id}`,
    `> ${claim.words} (${claim.who})`,
    `Asked: ${claim.asks}`,
    `**The machine: ${word}.** ${sentence}`,
    claim.meaning,
    ...scenarioTables(claim, rows),
    ...(drawn === null ? [] : drawnText(drawn)),
    `To see it:\n\n${seen.join('\n')}`,
  ].join('\n\n');
}

/** The page. */
export function answeredDocument(answers: readonly Answer[], run: AnsweredRun): string {
  const summary = answers.map(({ claim, rows }) => [
    `[${claim.id}](#${claim.id})`,
    claim.words,
    claim.who,
    verdictOf(claim, rows).word,
  ]);
  return `# The thread, answered

In September 2014 Shachar Raindel, of the patch for RDMA on-demand paging, and Jerome Glisse, of HMM, went through the ways in which a
registration, a page fault of the adapter and an invalidation may meet (linux-rdma, "[PATCH v1 for-next 06/16] IB/core: Implement support for MMU
notifiers regarding on demand paging regions"). They named seven ways out and tried none. Here is each claim with what the harness says.

Made by

    npm run build && ${run.command}

with ${run.machine}, in ${Math.round(answers.reduce((sum, { seconds }) => sum + seconds, 0))} s: seed ${run.seed}, at most ${shown(run.schedules)} schedules for each search of a cell. Verdicts and numbers come from that run; the
sentences about what they mean do not.

${table(['claim', 'in a few words', 'who', 'the machine'], summary)}

- *Eras*: the kernel whose locking the mm follows. v3.19: the patch's; reclaim tells the notifier in one call. v4.20: reclaim and migration are sections,
  munmap gives its lock down. v5.5: the same here. v6.17: madvise and faults may hold the VMA's lock instead of mmap_lock.
- *Explored*: one thread at a time, one schedule of each class of schedules. PROVED: all of them, none violates an oracle. VIOLATED: in brackets the
  fewest preemptions that show it; "all n": every class was run. Otherwise the time was up, and it says how far the search came.
- *On real threads*: violations in so many iterations, whether the scenario's forced order could be had, and the exposures: how often the window
  was open. A design that makes the order impossible has no exposure there; that is its answer.
- Known bugs (\`range-listed-late\`, \`late-sample\`, \`vma-lock-missed\`) stand beside the designs to show that the scenario would see them.

${answers.map(section).join('\n\n')}`;
}
