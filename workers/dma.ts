import { MKEY, mkeyAddr } from '../src/hca/device.ts';
import { createDmaAccess, dmaAccess } from '../src/hca/dma.ts';
import { pageRequestPost, qpTicket, qpWait } from '../src/hca/page-request.ts';
import { at } from '../src/memory/address.ts';
import { OUTCOME } from '../src/mm/outcome.ts';
import { load } from '../src/sync/atomics.ts';
import { pause, runRole, type ThreadExit, type ThreadTask } from '../src/torture/thread.ts';
import { parkPoint, stopping } from '../src/trace/park.ts';
import { nextRandom, randomBelow } from '../src/trace/random.ts';

/** A suspended QP looks this often whether the cell goes on, milliseconds. */
const SLICE_MS = 5;
/** Rest when no region is registered or the request queue is full, microseconds. */
const REST_US = 50;

/** A queue pair: reads and writes random pages of random regions, and is suspended while a page fault is served. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, (cell) => {
    const { actor, world } = cell;
    const { hca, mem, control } = world;
    const access = createDmaAccess();
    let misses = 0;
    return () => {
      const mkey = mkeyAddr(hca, 1 + randomBelow(actor, hca.mkeys - 1));
      const key = load(actor, at(mkey, MKEY.key));
      if (key === 0) {
        if (++misses % (4 * hca.mkeys) === 0) pause(cell, REST_US);
        return;
      }
      const page = randomBelow(actor, mem[mkey + MKEY.pages]!);
      const write = (nextRandom(actor) & 1) !== 0;
      if (dmaAccess(actor, hca, key, page, write, access) !== OUTCOME.efault) return;
      const ticket = qpTicket(actor, hca);
      if (!pageRequestPost(actor, hca, key, page, write)) {
        pause(cell, REST_US);
        return;
      }
      // Suspended, holding nothing: a quiescent point in each slice.
      while (!qpWait(actor, hca, ticket, SLICE_MS) && !stopping(mem, control))
        parkPoint(actor, actor.control, actor.parkWord);
    };
  });
