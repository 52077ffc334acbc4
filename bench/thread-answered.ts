import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { findScenario, packageRoot } from '../src/cli/package-root.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { wholeOf } from './arguments.ts';
import { machineWords } from './machine.ts';
import { CLAIMS, type Claim, type ClaimScenario, type Group, labelOf, THREAD_ERAS } from './thread-claims.ts';
import { commandOf, draw, type MeasureOptions, measureGroup, type Row } from './thread-measure.ts';
import { type Answer, answeredDocument, type Measured, verdictOf } from './thread-table.ts';

/**
 * docs/the-thread-answered.md: every claim of the mail thread, explored and run under the designs and kernels that it is about.
 * Run: `node dist/bench/thread-answered.js --out docs/the-thread-answered.md`.
 */
const { values: flags } = parseArgs({
  options: {
    out: { type: 'string' },
    /** Where what was measured is kept, claim by claim: what is in it already is not measured again. */
    record: { type: 'string' },
    only: { type: 'string' },
    seed: { type: 'string', default: '1' },
    schedules: { type: 'string', default: '2500' },
    load: { type: 'string', default: '3s' },
  },
});
const options: MeasureOptions = {
  seed: wholeOf('--seed', flags.seed),
  schedules: wholeOf('--schedules', flags.schedules),
  load: flags.load,
};
const only = flags.only?.split(',');
const recorded = recordedAt(flags.record);
const answers: Answer[] = [];
for (const claim of CLAIMS) {
  if (only !== undefined && !only.includes(claim.id)) continue;
  const measured = recorded.get(claim.id) ?? (await measure(claim));
  recorded.set(claim.id, measured);
  if (flags.record !== undefined) writeFileSync(flags.record, `${JSON.stringify([...recorded], null, 1)}\n`);
  answers.push({ claim, ...measured });
  console.error(`${claim.id}: ${verdictOf(claim, measured.rows).word} (${measured.seconds.toFixed(0)} s)`);
}
const text = answeredDocument(answers, {
  command: ['node dist/bench/thread-answered.js', ...process.argv.slice(2)].join(' ').replace(/ --record \S+/, ''),
  machine: machineWords(),
  seed: options.seed,
  schedules: options.schedules,
});
if (flags.out === undefined) console.log(text);
else writeFileSync(flags.out, `${text}\n`);

async function measure(claim: Claim): Promise<Measured> {
  const started = performance.now();
  const rows: Row[] = [];
  const commands: string[] = [];
  for (const scenario of claim.scenarios) {
    const loaded = loadScenario(findScenario(packageRoot(), process.cwd(), scenario.name));
    const eras = scenario.eras ?? THREAD_ERAS;
    for (const group of scenario.groups) {
      rows.push(...(await measureGroup(loaded, group, eras, options)));
      commands.push(`npx odptorture ${commandOf('run', scenario.name, group, eras, options.seed).join(' ')}`);
    }
  }
  const { timeline } = claim;
  const scenario = claim.scenarios.find(({ name }) => name === timeline?.scenario);
  const group = timeline === undefined || scenario === undefined ? undefined : groupOf(scenario, timeline.label);
  const drawn = group === undefined ? null : draw(scenario!.name, group, timeline!.era, options);
  return { rows, commands, drawn, seconds: (performance.now() - started) / 1000 };
}

/** Of an earlier run, by the claims' ids. */
function recordedAt(file: string | undefined): Map<string, Measured> {
  if (file === undefined || !existsSync(file)) return new Map();
  return new Map(JSON.parse(readFileSync(file, 'utf8')) as [string, Measured][]);
}

/** The group with one design in it, by the label of its row. */
function groupOf({ groups }: ClaimScenario, label: string): Group | undefined {
  for (const group of groups) {
    const strategy = group.strategies.find((name) => labelOf(name, group) === label);
    if (strategy !== undefined) return { ...group, strategies: [strategy] };
  }
  return undefined;
}
