import { keyIndex, MKEY, mkeyAddr } from '../src/hca/device.ts';
import { createPageRequest, pageRequestTake, qpResume } from '../src/hca/page-request.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { handlePageFault } from '../src/odp/fault-engine.ts';
import { runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';

/** How long it sleeps for a request before it looks whether the cell goes on, milliseconds. */
const IDLE_MS = 5;

/** Serves the adapter's page requests: the work queue behind the page-fault event queue. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, ({ actor, world }) => {
    const { hca, contexts, plan, mem } = world;
    const request = createPageRequest();
    return () => {
      if (!pageRequestTake(actor, hca, request, IDLE_MS)) return;
      const { key, page, write } = request;
      // A key that is gone by now is found out inside, under SRCU; its mm was the same all the time.
      const ctx = contexts[mem[mkeyAddr(hca, keyIndex(key)) + MKEY.mm]!]!;
      const outcome = handlePageFault(actor, ctx, key, page, write, plan.hca.faultTimeoutMs);
      qpResume(actor, hca, request, outcome !== OUTCOME.ok);
    };
  });
