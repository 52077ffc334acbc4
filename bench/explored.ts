import { readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { loadScenario } from '../src/scenario/load.ts';
import type { CellPlan } from '../src/scenario/plan.ts';
import { resolveCells } from '../src/scenario/resolve.ts';
import { durationOf } from './arguments.ts';
import { type ExploredCell, exploreCell } from './explored-cell.ts';
import { exploredDocument, exploredRow } from './explored-table.ts';
import { machineWords } from './machine.ts';

const FOLDER = fileURLToPath(new URL('../../scenarios/litmus/', import.meta.url));
const QUICK = ['seed-fault-in-section', 'seed-madvise-around-register'];

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    budget: { type: 'string', default: '60s' },
    out: { type: 'string' },
  },
});
const budgetMs = durationOf('--budget', values.budget);

const cells: ExploredCell[] = [];
for (const { plans } of litmus()) {
  for (const plan of plans) {
    const cell = await exploreCell(plan, budgetMs);
    cells.push(cell);
    console.error(exploredRow(cell).join('  '));
  }
}
const document = exploredDocument(cells, {
  command: ['node dist/bench/explored.js', ...process.argv.slice(2)].join(' '),
  machine: machineWords(),
  budget: values.budget,
});
if (values.out === undefined) console.log(document);
else writeFileSync(values.out, `${document}\n`);
process.exitCode = cells.some((cell) => cell.unexpected.length > 0 || cell.broken !== null) ? 1 : 0;

/** Every shipped litmus under every design, those with fewer threads first. */
function litmus() {
  const names = readdirSync(FOLDER).flatMap((file) => /^(.*)\.yaml$/.exec(file)?.[1] ?? []);
  const chosen = values.quick ? names.filter((name) => QUICK.includes(name)) : names;
  const loaded = chosen.sort().map((name) => ({ plans: resolveCells(loadScenario(join(FOLDER, `${name}.yaml`))) }));
  const threads = ({ plans }: { plans: readonly CellPlan[] }): number => plans[0]?.litmus?.programs.length ?? 0;
  return loaded.sort((a, b) => threads(a) - threads(b));
}
