import { parseArgs } from 'node:util';
import { table } from '../src/report/format.ts';

// What a refault is made of, and what each costs here:
//   node dist/bench/refault-atomics.js [--strategy interval-notifier]
// The functions of Atomics are counted before the model takes them, so everything of it is loaded after that.
const { values } = parseArgs({ options: { strategy: { type: 'string', default: 'interval-notifier' } } });
const NAMES = ['load', 'store', 'add', 'or', 'and', 'exchange', 'compareExchange', 'notify'] as const;
const REFAULTS = 1600;
const TIMED = 2_000_000;

const original = { ...Object.fromEntries(NAMES.map((name) => [name, Atomics[name]])) } as Record<string, Counted>;
type Counted = (...args: never[]) => unknown;
const counts: Record<string, number> = {};
let counting = false;
for (const name of NAMES)
  Object.assign(Atomics, {
    [name]: (...args: never[]) => {
      if (counting) counts[name] = (counts[name] ?? 0) + 1;
      return original[name]!(...args);
    },
  });

const { openRefaultWorld, PAGES, TIMEOUT_MS } = await import('./refault-world.ts');
const { createDmaAccess, dmaAccess } = await import('../src/hca/dma.ts');
const { madviseDontneed } = await import('../src/mm/madvise.ts');
const { handlePageFault } = await import('../src/odp/fault-engine.ts');

const { actor, ctx, key } = openRefaultWorld({
  strategy: values.strategy,
  observer: 'none',
  trace: false,
  threads: 1,
});
const access = createDmaAccess();
counting = true;
for (let i = 0; i < REFAULTS; i++) {
  const page = (i & (PAGES - 1)) as never;
  madviseDontneed(actor, ctx.mm, page, page);
  dmaAccess(actor, ctx.hca, key, page, true, access);
  handlePageFault(actor, ctx, key, page, true, TIMEOUT_MS);
  dmaAccess(actor, ctx.hca, key, page, true, access);
}
counting = false;

const words = new Int32Array(new SharedArrayBuffer(64));
/** Nanoseconds of one call, in a loop of nothing else; the best of a few. */
function costOf(run: (n: number) => void): number {
  let best = Number.POSITIVE_INFINITY;
  for (let round = 0; round < 5; round++) {
    const begun = performance.now();
    run(TIMED);
    best = Math.min(best, ((performance.now() - begun) * 1e6) / TIMED);
  }
  return best;
}
Object.assign(Atomics, original);
const { load, store, add, exchange, compareExchange } = Atomics;
const COSTS: Readonly<Record<string, () => number>> = {
  load: () =>
    costOf((n) => {
      for (let i = 0; i < n; i++) load(words, 0);
    }),
  store: () =>
    costOf((n) => {
      for (let i = 0; i < n; i++) store(words, 0, i);
    }),
  add: () =>
    costOf((n) => {
      for (let i = 0; i < n; i++) add(words, 0, 1);
    }),
  exchange: () =>
    costOf((n) => {
      for (let i = 0; i < n; i++) exchange(words, 0, i);
    }),
  compareExchange: () =>
    costOf((n) => {
      for (let i = 0; i < n; i++) compareExchange(words, 0, 0, 0);
    }),
};
let sum = 0;
const rows = Object.entries(counts).map(([name, n]) => {
  const each = COSTS[name]?.() ?? 0;
  sum += (each * n) / REFAULTS;
  return [`Atomics.${name}`, (n / REFAULTS).toFixed(2), each.toFixed(1)];
});
const { header, lines } = table(
  [{ title: 'operation' }, { title: 'a refault', right: true }, { title: 'ns each', right: true }],
  rows,
);
process.stdout.write(`${[header, ...lines, '', `together ${Math.round(sum)} ns a refault`].join('\n')}\n`);
