import { CLAIMS, type Claim, type Question, type Subject } from './thread-claims.ts';
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

/** The least and the most of several counts. */
function span(counts: readonly number[]): string {
  const [least, most] = [Math.min(...counts), Math.max(...counts)];
  return least === most ? shown(least) : `${shown(least)} to ${shown(most)}`;
}

const orderWord = ({ forced }: Ran): string =>
  forced === null ? '' : forced > 0 ? '; the forced order was had' : '; the forced order is impossible';

/** What cells must have in common to be told together. */
const kindOfRan = (ran: Ran): string =>
  [Object.keys(ran.violations).sort(), orderWord(ran), ran.fault, ran.iterations === null].join(';');

/** What free threads did in cells of one kind: violations in iterations or seconds, and how often the window was open. */
function ranText(cells: readonly Ran[], exposures: readonly string[]): string {
  const [first] = cells as readonly [Ran, ...Ran[]];
  const counts = (of: (ran: Ran) => number | undefined): number[] => cells.map((ran) => of(ran) ?? 0);
  const extent =
    first.iterations === null
      ? `${first.seconds.toFixed(1)} s`
      : `${span(counts(({ iterations }) => iterations ?? 0))} it.`;
  const found = Object.entries(first.violations)
    .sort(([, a], [, b]) => b - a)
    .map(([oracle]) => `${oracle} ${span(counts(({ violations }) => violations[oracle]))}`);
  const open = exposures.map((name) => `${name} ${span(counts((ran) => ran.exposures[name]))}`);
  const fault = first.fault === null ? '' : `; ended by ${first.fault}`;
  return `${found.length === 0 ? 'no violation' : found.join(', ')} in ${extent}${orderWord(first)}${fault}; ${open.join(', ')}`;
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

/** Rows of one design that are of one kind, with their eras. */
function tableRows(
  rows: readonly Row[],
  kind: (row: Row) => string,
  text: (rows: readonly Row[]) => string,
): string[][] {
  const groups = new Map<string, Row[]>();
  for (const row of rows) {
    const key = `${row.label}\n${kind(row)}`;
    groups.set(key, [...(groups.get(key) ?? []), row]);
  }
  // By design, in the order in which they were asked for.
  const labels = unique(rows.map(({ label }) => label));
  return labels.flatMap((label) =>
    [...groups.values()]
      .filter(([first]) => first!.label === label)
      .map((own) => [label, own.map(({ era }) => era).join(', '), text(own)]),
  );
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
    ranText([ran], names),
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
    const verdict = (row: Row): string => (row.searched === null ? 'not searched' : searchedText(row.searched));
    const searched = tableRows(own, verdict, ([first]) => verdict(first!));
    const ran = tableRows(
      own.filter((row) => row.ran !== null),
      (row) => kindOfRan(row.ran!),
      (same) =>
        ranText(
          same.map((row) => row.ran!),
          exposures,
        ),
    );
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
  const answers = (era: string) => (subject: Subject) =>
    own.some((row) => row.era === era && isOf(subject)(row) && holdsIn(row));
  const holds = eras.filter((era) => subjects.every(answers(era)));
  const not = eras.filter((era) => !holds.includes(era));
  const part = (names: readonly string[], isHeld: boolean): string[] =>
    names.length === 0
      ? []
      : [
          `${list(names)}: ${tell(
            own.filter(({ era }) => names.includes(era)),
            isHeld,
          )}.`,
        ];
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

/** A page of some of the claims says which it does without. */
function leftOut(answers: readonly Answer[]): string {
  const left = CLAIMS.filter(({ id }) => !answers.some(({ claim }) => claim.id === id)).map(({ id }) => code(id));
  return left.length === 0 ? '' : `\n\nNot asked in this run: ${list(left)}.`;
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

${table(['claim', 'in a few words', 'who', 'the machine'], summary)}${leftOut(answers)}

- *Eras*: the kernel whose locking the mm follows. v3.19: the patch's; reclaim tells the notifier in one call. v4.20: reclaim and migration are sections,
  munmap gives its lock down. v5.5: the same here. v6.17: madvise and faults may hold the VMA's lock instead of mmap_lock.
- *Explored*: one thread at a time, one schedule of each class of schedules. PROVED: all of them, none violates an oracle. VIOLATED: in brackets the
  fewest preemptions that show it; "all n": every class was run. Otherwise it says how many schedules were.
- *On real threads*: violations in so many iterations, whether the scenario's forced order could be had, and the exposures: how often the window
  was open. A design that makes the order impossible has no exposure there; that is its answer.
- Known bugs (\`range-listed-late\`, \`late-sample\`, \`vma-lock-missed\`) stand beside the designs to show that the scenario would see them.

${answers.map(section).join('\n\n')}`;
}
