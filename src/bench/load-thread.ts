import { workerData } from 'node:worker_threads';
import { createDmaAccess, dmaAccess } from '../hca/dma.ts';
import type { Vpn } from '../memory/address.ts';
import { madviseDontneed } from '../mm/madvise.ts';
import { OUTCOME } from '../mm/outcome.ts';
import { handlePageFault } from '../odp/fault-engine.ts';
import { deregisterMr, registerMr } from '../odp/memory-region.ts';
import { loadStrategyOf } from '../torture/strategy-file.ts';
import { HISTOGRAM, type HistogramName } from '../trace/counters.ts';
import { HISTOGRAM_DOUBLES, histogramAdd } from '../trace/histogram.ts';
import { stopping } from '../trace/park.ts';
import { randomBelow } from '../trace/random.ts';
import type { CrewTask } from './crew.ts';
import { joinCrew, practise } from './crew-thread.ts';
import { COLD_AT, FAULT_TIMEOUT_MS, HOT_PAGES, hotAt, type LoadJob, type LoadRole, RANGE_PAGES } from './load-plan.ts';
import { type HotKeys, openLoadThread } from './load-world.ts';
import { countOperation, takesOf } from './lock-takes.ts';

/** The time of one operation in so many is taken, where one takes about a microsecond. */
const SAMPLE = 4;

const task = workerData as CrewTask<LoadJob & { readonly keys: HotKeys }>;
const { tid, job } = task;
const { config } = job;
// Before any view is made: the world's layout depends on the strategy.
await loadStrategyOf(job.plan);
const { world, actor } = openLoadThread(job, tid);
const ctx = world.contexts[tid % config.mms]!;
const { mm, hca } = ctx;
const key = job.keys[tid]!;
const { era } = job.plan;
let turns = 0;

/** Runs an operation, and takes the time of one in `SAMPLE`. */
function timed(name: HistogramName, operation: () => void): void {
  if (turns++ % SAMPLE !== 0) {
    operation();
    return;
  }
  const begun = performance.now();
  operation();
  const base = actor.histograms + HISTOGRAM[name] * HISTOGRAM_DOUBLES;
  histogramAdd(actor.f64, base, Math.round((performance.now() - begun) * 1e6));
}

/** First page of a range: among the pages with faults as often as the cell says, else beside them. */
const rangeAt = (): Vpn => {
  const at = randomBelow(actor, 100) < config.overlap ? 0 : COLD_AT;
  return (at + randomBelow(actor, HOT_PAGES - RANGE_PAGES + 1)) as Vpn;
};

const invalidate = (): void => {
  const at = rangeAt();
  madviseDontneed(actor, mm, at, (at + RANGE_PAGES - 1) as Vpn);
};

/** A fault engine that never runs out of faults: it serves one whether or not the page is mapped by now, as for two QPs at once. */
const fault = (): void => {
  handlePageFault(actor, ctx, key, randomBelow(actor, HOT_PAGES), true, FAULT_TIMEOUT_MS);
};

let registered = 0;
const register = (): void => {
  registered = registerMr(actor, ctx, era, rangeAt(), RANGE_PAGES);
  if (registered === 0) throw new Error('bench: a region was not registered');
};

const access = createDmaAccess();
const touch = (page: number): boolean =>
  dmaAccess(actor, hca, key, page, true, access) === OUTCOME.efault &&
  handlePageFault(actor, ctx, key, page, true, FAULT_TIMEOUT_MS) === OUTCOME.ok &&
  dmaAccess(actor, hca, key, page, true, access) === OUTCOME.ok;

const own = hotAt(config, tid);
let next = 0;
/** Each of the steps has to end as it should, or what was measured is something else. */
const refault = (): void => {
  const page = next;
  next = (page + 1) & (HOT_PAGES - 1);
  const vpn = (own + page) as Vpn;
  const ended = madviseDontneed(actor, mm, vpn, vpn) === OUTCOME.ok && touch(page);
  // The stop ends a fault that waits.
  if (!ended && !stopping(world.mem, world.control)) throw new Error('bench: a refault ended otherwise than it should');
};

const TURNS: Readonly<Record<LoadRole, () => void>> = {
  invalidate: () => timed('section', invalidate),
  fault: () => timed('fault', fault),
  register: () => {
    timed('register', register);
    deregisterMr(actor, ctx, registered);
  },
  refault: () => timed('fault', refault),
};

const { takes } = job;
const counted = takes === undefined ? null : takesOf(takes, config.roles.length);
const role = TURNS[config.roles[tid]!];
const turn =
  counted === null
    ? role
    : () => {
        role();
        countOperation(counted, tid);
      };
// In the world of the cell, beside the others: where they wait for each other is compiled too.
practise(task, turn);
joinCrew(task, turn);
