import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { expect, it } from 'vitest';
import { invalidateRangeEnd, invalidateRangeStart, mmuNotifierRegister, SECTION_EVENT } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { rawLoad, rawNotify, rawStore, rawWait } from '../../src/sync/atomics.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import { createWorld, sharedWord, vpn } from './fixture.ts';
import type { UnregisterData } from './unregister-worker.ts';

const BOUND_MS = 10_000;

it('unregistering waits for the callbacks that are running, and no later section calls it', async () => {
  const w = createWorld({ threads: 2 });
  const { mem, mm, actor } = w;
  const [go, done, idle] = [0, 1, 2].map((i) => sharedWord(w.options, i));
  const calls: string[] = [];
  mm.subscriptions.push({
    index: 0,
    rangeStart() {
      rawStore(mem, go, 1);
      rawNotify(mem, go, 1);
      // Stay in the callback until the other thread is seen to sleep for this very grace period; the atomic load keeps the
      // plain ones behind it from being read once for all.
      const until = Date.now() + BOUND_MS;
      const t = w.actors[1].addr;
      while (rawLoad(mem, t) >= 0 && !(mem[t + TASK.waitKind] === WAIT.srcu && mem[t + TASK.waitAddr] === mm.srcu)) {
        if (rawLoad(mem, done) !== 0 || Date.now() > until) break;
        rawWait(mem, idle, 0, 1);
      }
      calls.push(rawLoad(mem, done) === 0 ? 'start, unregister waits' : 'start, unregister is through');
      return OUTCOME.ok;
    },
    rangeEnd: () => void calls.push('end'),
    release() {},
  });
  mmuNotifierRegister(actor, mm, 0);
  const workerData: UnregisterData = { mem, plan: w.options, go, done };
  const worker = new Worker(new URL('./unregister-worker.js', import.meta.url), { workerData });
  const exit = once(worker, 'exit');
  await once(worker, 'message');
  invalidateRangeStart(actor, mm, vpn(0), vpn(3), SECTION_EVENT.clear, true);
  await exit;
  expect(rawLoad(mem, done)).toBe(1);
  invalidateRangeEnd(actor, mm);
  invalidateRangeStart(actor, mm, vpn(0), vpn(3), SECTION_EVENT.clear, true);
  invalidateRangeEnd(actor, mm);
  expect(calls).toEqual(['start, unregister waits']);
});
