import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { parseDuration } from '../src/scenario/duration.ts';
import { loadScenario } from '../src/scenario/load.ts';
import { resolveCells } from '../src/scenario/resolve.ts';
import { type ExploredCell, exploreCell } from './explored-cell.ts';
import { exploredDocument, exploredRow } from './explored-table.ts';

/** Every shipped litmus under every design, explored: what is proved, what is violated and by how little. */
const LITMUS = [
  'seed-madvise-around-register',
  'seed-fault-in-section',
  'truncate-around-register',
  'clamp-stolen-decrement',
];
const QUICK = ['seed-madvise-around-register', 'seed-fault-in-section'];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    budget: { type: 'string', default: '60s' },
    out: { type: 'string' },
  },
});
const budgetMs = budgetOf(values.budget);

const cells: ExploredCell[] = [];
for (const name of values.quick ? QUICK : LITMUS) {
  const file = fileURLToPath(new URL(`../../scenarios/litmus/${name}.yaml`, import.meta.url));
  for (const plan of resolveCells(loadScenario(file))) {
    const cell = await exploreCell(plan, budgetMs);
    cells.push(cell);
    console.error(exploredRow(cell).join('  '));
  }
}
const document = exploredDocument(cells, {
  command: ['node dist/bench/explored.js', ...process.argv.slice(2)].join(' '),
  machine: `Node ${process.version} (${process.platform} ${process.arch}) on ${cpus()[0]?.model.trim() ?? 'an unknown CPU'}`,
  budget: values.budget,
});
if (values.out === undefined) console.log(document);
else writeFileSync(values.out, `${document}\n`);
process.exitCode = cells.some((cell) => cell.unexpected.length > 0 || cell.broken !== null) ? 1 : 0;

function budgetOf(text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms <= 0) throw new RangeError(`--budget ${text}: a duration such as 60s`);
  return ms;
}
