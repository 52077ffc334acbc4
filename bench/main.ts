import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { locksBench } from './locks.ts';
import { pointsBench } from './points.ts';
import { refaultBench } from './refault.ts';
import type { RoundOptions, Row } from './rounds.ts';
import { markdownTable, plainTable } from './table.ts';

/** To add a bench, add its function here. */
const BENCHES: readonly ((options: RoundOptions) => Promise<Row[]>)[] = [locksBench, pointsBench, refaultBench];

const { values } = parseArgs({
  options: { markdown: { type: 'boolean', default: false }, rounds: { type: 'string' } },
});
const options: RoundOptions = values.rounds === undefined ? {} : { rounds: roundsOf(values.rounds) };
await (values.markdown ? printMarkdown(options) : printTables(options));

function roundsOf(text: string): number {
  const rounds = Number(text);
  if (!Number.isInteger(rounds) || rounds < 1) throw new RangeError(`--rounds ${text}: a whole number of at least 1`);
  return rounds;
}

async function printTables(options: RoundOptions): Promise<void> {
  for (const bench of BENCHES) console.log(`${plainTable(await bench(options))}\n`);
}

/** docs/benchmarks.md: how it was made, what the columns say, and one table for each bench. */
async function printMarkdown(options: RoundOptions): Promise<void> {
  const processors = cpus();
  const tables: string[] = [];
  for (const bench of BENCHES) tables.push(markdownTable(await bench(options)));
  console.log(`# Benchmarks

Made by

    npm run build && node dist/bench/main.js --markdown > docs/benchmarks.md

with Node ${process.version} (${process.platform} ${process.arch}) on ${processors[0]?.model.trim() ?? 'an unknown CPU'}, ${processors.length} cores.

One thread, nobody else contends. All cases of a table are run in turn, round after round, and each is divided by the references of its
own round: \`x futex\` is the ratio to a lock and unlock written out with nothing but the atomics, \`x add pair\` the ratio to two
bare \`Atomics.add\`. Nanoseconds are the machine's, ratios are what to compare. \`min..max\` spans the rounds of \`x futex\`.
A wide \`min..max\` says that the machine had other work in some of the rounds.

\`refault\` is madvise of one page that the adapter can reach, with all of its section, and then the adapter's access to it, with the page fault,
its handling and the access again. Each of its rows is measured on a thread of its own, as in a cell.

${tables.join('\n\n')}`);
}
