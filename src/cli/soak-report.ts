import { cellLine } from '../report/cell-line.ts';
import { type Column, grouped, short, table, wrapText } from '../report/format.ts';
import { createStatus } from '../report/status.ts';
import { styleFor, wantsColor } from '../report/style.ts';
import type { CellLine, SoakCheckpoint, SoakSummary } from '../results/soak-types.ts';
import { formatDuration } from '../scenario/duration.ts';
import type { Entry } from '../soak/entries.ts';
import type { SoakView } from '../soak/parts.ts';
import { sumOf } from '../soak/totals.ts';
import type { SoakFlags } from './soak-options.ts';
import type { Terminal } from './terminal-io.ts';

export interface TerminalView extends SoakView {
  start(campaign: string, seed: number, dir: string, from: SoakCheckpoint | null): void;
  end(): void;
}

/** Progress of a soak on a terminal: cells that show something new, or all of them with -v. */
export function createSoakView(flags: SoakFlags, terminal: Terminal, entries: readonly Entry[]): TerminalView {
  const live = terminal.errIsTty && terminal.env.TERM !== 'dumb' && (terminal.env.CI ?? '') === '';
  const status =
    flags.progress && flags.quiet !== true
      ? createStatus({ stream: terminal.stderr, live, cells: Number.POSITIVE_INFINITY, now: () => performance.now() })
      : null;
  const say = flags.quiet === true ? () => {} : flags.json === true ? terminal.err : terminal.out;
  const isNews = (line: CellLine, fresh: readonly string[]): boolean =>
    flags.verbose === true || line.fault !== undefined || (fresh.length > 0 && !line.canary);
  return {
    start(campaign, seed, dir, from) {
      const goesOn = from === null ? '' : ` cell=${from.next.index}`;
      say(`odptorture: soak ${campaign} seed=${seed} kinds=${entries.length}${goesOn} results=${dir}`);
    },
    begin: ({ index, entry, seed }) => status?.begin(index, `${entry.key} seed=${seed}`),
    progress: (progress) => status?.progress(progress),
    cell(line, fresh) {
      status?.clear();
      if (isNews(line, fresh)) say(cellLine(line));
    },
    note(message) {
      status?.clear();
      terminal.err(`odptorture: ${message}`);
    },
    end: () => status?.end(),
  };
}

const ENTRY_COLUMNS: readonly Column[] = [
  { title: 'kind of cell' },
  { title: 'cells', right: true },
  { title: 'faults/s', right: true },
  { title: 'exposures', right: true },
  { title: 'violations' },
];
const SIGNATURE_COLUMNS: readonly Column[] = [
  { title: 'signature' },
  { title: 'count', right: true },
  { title: 'per hour', right: true },
  { title: 'first' },
  { title: 'last' },
];
const SIGNATURES_SHOWN = 15;

/** What a soak has shown, on stdout. */
export function reportSoak(summary: SoakSummary, dir: string, flags: SoakFlags, terminal: Terminal): void {
  if (flags.json === true) {
    terminal.out(JSON.stringify(summary, null, 2));
    return;
  }
  const style = styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
  if (flags.quiet !== true) {
    const { header, lines } = table(ENTRY_COLUMNS, summary.totals.entries.map(entryRow));
    for (const line of ['', style.dim(header), ...lines]) terminal.out(line);
    const found = summary.signatures.filter(({ canary }) => !canary).sort((a, b) => b.count - a.count);
    if (found.length > 0) {
      const rows = table(SIGNATURE_COLUMNS, found.slice(0, SIGNATURES_SHOWN).map(signatureRow));
      for (const line of ['', style.dim(rows.header), ...rows.lines]) terminal.out(line);
      if (found.length > SIGNATURES_SHOWN)
        terminal.out(`and ${found.length - SIGNATURES_SHOWN} more signatures, in ${dir}/summary.json`);
    }
    terminal.out('');
    for (const why of summary.why) for (const line of wrapText(why, terminal.width)) terminal.out(style.yellow(line));
  }
  terminal.out(closing(summary, dir));
}

const entryRow = (entry: SoakSummary['totals']['entries'][number]): string[] => [
  entry.entry,
  grouped(entry.cells),
  entry.durationMs > 0 ? short(entry.faultsCommitted / (entry.durationMs / 1000)) : '-',
  short(sumOf(entry.exposures)),
  Object.entries(entry.violations)
    .map(([oracle, n]) => `${oracle} ${grouped(n ?? 0)}`)
    .join(', ') || '0',
];

const signatureRow = (total: SoakSummary['signatures'][number]): string[] => [
  total.signature,
  grouped(total.count),
  short(total.perHour),
  `${formatDuration(total.first.t)} (cell ${total.first.cell})`,
  formatDuration(total.last.t),
];

/** The last line; `--quiet` prints nothing else. */
function closing(summary: SoakSummary, dir: string): string {
  const { totals, sessions } = summary;
  const again = sessions.length > 1 ? ` in ${sessions.length} sessions` : '';
  const found = sumOf(totals.violations);
  return [
    `${grouped(totals.cells)} cells in ${formatDuration(summary.elapsedMs)}${again}: ${grouped(found)} violations in ${grouped(sumOf(totals.exposures))} exposures, canary caught ${totals.canary.caught} of ${totals.canary.cells}${summary.interrupted ? ', interrupted' : ''}`,
    summary.verdict,
    `seed ${summary.seed}`,
    dir,
  ].join('; ');
}
