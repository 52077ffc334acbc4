import { expect, test } from 'vitest';
import type { Host } from '../../src/explore/control/host.ts';
import { Dpor } from '../../src/explore/search/dpor.ts';
import { type ToCoordinator, type ToWorker, TreeCoordinator, TreeWorker } from '../../src/explore/search/tree-shard.ts';
import { randomNumbers } from './random-program-code.ts';
import { loadCode, MAX_STEPS, Notes, openRandomHost, runAll, sorted } from './random-program-host.ts';

const WORKERS = 3;

interface Shards {
  readonly notes: Notes;
  readonly guarantee: string | null;
  readonly complete: number;
  /** How many workers have run something. */
  readonly helped: number;
}

/**
 * Several workers in one process, on one engine in turn, and a network that delivers in order on each line but at any time. What travels goes through JSON, as it does
 * between processes.
 */
function runShards({ engine, subject }: Host, threads: number, seed: number): Shards {
  const random = randomNumbers(seed);
  const options = { threads, maxSteps: MAX_STEPS };
  const coordinator = new TreeCoordinator(options);
  const workers = Array.from({ length: WORKERS }, () => new TreeWorker(options));
  const up: string[][] = workers.map(() => []);
  const down: string[][] = workers.map(() => []);
  const ran = workers.map(() => 0);
  const notes = new Notes();
  for (let turns = 0; !coordinator.done; turns++) {
    if (turns > 1_000_000) throw new Error('the workers wait for each other');
    const n = random(WORKERS);
    const worker = workers[n];
    if (random(3) === 0 && up[n].length > 0) coordinator.receive(n, JSON.parse(up[n].shift()!) as ToCoordinator);
    else if (random(3) === 0 && down[n].length > 0) worker.receive(JSON.parse(down[n].shift()!) as ToWorker);
    else {
      const request = worker.next();
      if (request !== null) {
        ran[n]++;
        const outcome = engine.run(request);
        notes.note(engine, subject, outcome);
        worker.learn(engine.sched, outcome);
      }
    }
    up[n].push(...worker.outbox().map((message) => JSON.stringify(message)));
    for (const { to, message } of coordinator.outbox()) down[to].push(JSON.stringify(message));
  }
  const helped = ran.filter((count) => count > 0).length;
  return { notes, guarantee: coordinator.guarantee(), complete: coordinator.stats().complete, helped };
}

const CASES = [
  { threads: 2, programs: 60, options: { asserts: false, timed: false } },
  { threads: 3, programs: 60, options: { asserts: false, timed: true } },
  { threads: 3, programs: 40, options: { asserts: true, timed: false } },
];

test.each(CASES)('$threads threads, $options: workers that share a search see all that one sees', async ({
  threads,
  programs,
  options,
}) => {
  const host = await openRandomHost(1, threads);
  let most = 0;
  let executions = 0;
  let alone = 0;
  try {
    for (let seed = 1; seed <= programs; seed++) {
      loadCode(host, seed, threads, options);
      const one = runAll(host, new Dpor({ threads, maxSteps: MAX_STEPS }));
      const { notes, guarantee, complete, helped } = runShards(host, threads, seed);
      const where = `seed ${seed}`;
      expect(sorted(notes.states), where).toEqual(sorted(one.states));
      expect(sorted(notes.findings), where).toEqual(sorted(one.findings));
      // Where a thread throws, how far the others have come by then is not the same.
      if (!options.asserts) expect(sorted(notes.classes), where).toEqual(sorted(one.classes));
      expect(guarantee, where).toBe(
        `exhaustive: ${complete} executions${guarantee!.includes('assuming') ? ', assuming a time-out only when nobody else can run' : ''}`,
      );
      expect(complete, where).toBe(notes.executions);
      expect(complete, where).toBeGreaterThanOrEqual(notes.classes.size);
      executions += complete;
      alone += one.executions;
      most = Math.max(most, helped);
    }
  } finally {
    await host.close();
  }
  // They do share, and repeat little.
  expect(most).toBe(WORKERS);
  expect(executions).toBeLessThanOrEqual(alone * 1.1);
});
