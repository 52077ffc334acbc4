import type { Strategy } from '../odp/strategy.ts';
import { ORACLE_NAMES, type OracleName } from '../oracles/names.ts';
import { table, wrapText } from '../report/format.ts';
import { OdpError } from '../scenario/errors.ts';
import { loadScenario } from '../scenario/load.ts';
import { LOAD_ROLES, VERBS } from '../scenario/plan.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { METRICS, QUANTILES } from '../scenario/threshold.ts';
import { STRATEGIES } from '../strategies/index.ts';
import { isStrategyFile, loadStrategy } from '../torture/strategy-file.ts';
import { EXPOSURES } from '../trace/counters.ts';
import { POINT_TABLE } from '../trace/points.ts';
import { VARIANTS } from '../variants/index.ts';
import { packageRoot, shippedScenarios } from './package-root.ts';
import type { Terminal } from './terminal-io.ts';

const ORACLE_TEXT: Readonly<Record<OracleName, string>> = {
  'stale-dma': 'a device access went through an entry whose frame was freed since',
  'entry-in-section': 'a section is about to end with a valid device entry in its range',
  'stale-mapping': 'when all is quiet, a device entry points where the CPU page table does not',
  'data-corruption': 'data of another page, or of a freed one, was read',
  'counter-underflow': 'a running count fell below zero',
  'counter-leak': 'when all is quiet, a count is not what the design says it must be',
  'unpaired-section': 'an end without its start, or a start without its end',
  starvation: 'a fault, registration or removal got nowhere although it could have',
  deadlock: 'a closed set of threads that wait for each other',
  leak: 'an object that nobody refers to, or whose reference count is wrong',
  'use-after-free': 'a handler or a notifier callback works on a region, or on a notifier, that was freed',
  'double-free': 'a region, VMA or frame is freed that is free already',
  'hw-sw-disagree': "at rest, the driver's list of what is mapped and the device's table differ",
  'dead-key-command': 'a command is posted for a key that the device has not created yet, or has destroyed',
  'sleep-in-nonblockable': 'the start of a section that must not block sleeps',
  'inactive-while-idle': 'when all is quiet, a region takes no faults, and nothing is under way that would change it',
  'lock-order': 'two orders in which locks were taken could meet in a deadlock, or one was taken inside itself',
  'unlock-not-owner': 'a lock was released by a thread that does not hold it',
  'lost-wakeup': 'a thread sleeps although what it waits for is there, and nobody is about to wake it',
  'torn-read': 'a reader of a sequence count accepted words of two different writes',
};

const TOPICS = [
  'strategies',
  'variants',
  'scenarios',
  'oracles',
  'exposures',
  'points',
  'roles',
  'verbs',
  'metrics',
] as const;
type Topic = (typeof TOPICS)[number];

type Row = Readonly<Record<string, unknown>>;

const strategyRow = ({ name, title, origin, reasoning, params }: Strategy): Row => ({
  name,
  description: title,
  origin,
  reasoning,
  params,
});

const ROWS: Readonly<Record<Topic, () => readonly Row[]>> = {
  strategies: () => STRATEGIES.map(strategyRow),
  variants: () =>
    VARIANTS.map(({ strategy, base, family, bug, oracles, litmus, load }) => ({
      ...strategyRow(strategy),
      base,
      family,
      bug,
      oracles,
      litmus,
      load,
    })),
  scenarios: () =>
    shippedScenarios(packageRoot()).map((shipped) => {
      const { name, scenario } = loadScenario(shipped.file);
      return { name, kind: scenario.kind, description: scenario.description, file: shipped.file };
    }),
  oracles: () => ORACLE_NAMES.map((name) => ({ name, description: ORACLE_TEXT[name] })),
  exposures: () => EXPOSURES.map(({ name }) => ({ name })),
  points: () =>
    POINT_TABLE.slice(1).map(([name, args]) => ({
      name,
      args: (args as readonly string[]).filter((arg) => arg !== ''),
    })),
  roles: () => LOAD_ROLES.map((name) => ({ name })),
  verbs: () => VERBS.map((name) => ({ name })),
  metrics: () => [...METRICS.map((name) => ({ name })), { name: 'quantiles', description: QUANTILES.join(', ') }],
};

export interface ListFlags {
  readonly json?: boolean;
  readonly verbose?: boolean;
}

/** `odptorture list [topic]`: what can be named on the command line and in scenarios; or a strategy of your own, which is checked by that. */
export async function listCommand(given: string | undefined, flags: ListFlags, terminal: Terminal): Promise<number> {
  if (given !== undefined && isStrategyFile(given)) return listFile(given, flags, terminal);
  if (given !== undefined && !(TOPICS as readonly string[]).includes(given))
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: `nothing to list called '${given}'${didYouMean(given, TOPICS)}`,
    });
  const topics = given === undefined ? TOPICS : [given as Topic];
  if (flags.json === true) {
    terminal.out(JSON.stringify(Object.fromEntries(topics.map((topic) => [topic, ROWS[topic]()])), null, 2));
    return 0;
  }
  topics.forEach((topic, i) => {
    if (i > 0) terminal.out('');
    if (topics.length > 1) terminal.out(topic);
    for (const line of topicLines(ROWS[topic](), flags.verbose === true, terminal.width)) terminal.out(`  ${line}`);
  });
  return 0;
}

async function listFile(given: string, flags: ListFlags, terminal: Terminal): Promise<number> {
  const row = strategyRow((await loadStrategy(given, terminal.cwd)).strategy);
  if (flags.json === true) terminal.out(JSON.stringify({ strategies: [row] }, null, 2));
  else for (const line of topicLines([row], flags.verbose === true, terminal.width)) terminal.out(`  ${line}`);
  return 0;
}

function topicLines(rows: readonly Row[], verbose: boolean, width: number): string[] {
  const text = (row: Row): string => (Array.isArray(row.args) ? row.args.join(' ') : String(row.description ?? ''));
  const { lines } = table(
    [{ title: '' }, { title: '' }],
    rows.map((row) => [String(row.name), text(row)]),
  );
  return lines.flatMap((line, i) => {
    const more = verbose ? [rows[i]!.origin, rows[i]!.reasoning].filter((part) => typeof part === 'string') : [];
    return [line, ...more.flatMap((part) => wrapText(part, width - 8).map((wrapped) => `      ${wrapped}`))];
  });
}
