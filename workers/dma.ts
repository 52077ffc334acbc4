import { keyIndex, MKEY, mkeyAddr } from '../src/hca/device.ts';
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

/** Accesses to one region before another is chosen: a work request that streams. */
const BURST = 32;

/** A queue pair: reads and writes random pages of one region after the other, and is suspended while a page fault is served. */
export default (task: ThreadTask): ThreadExit =>
  runRole(task, (cell) => {
    const { actor, world } = cell;
    const { hca, mem, control } = world;
    const access = createDmaAccess();
    let key = 0;
    let left = 0;
    let misses = 0;
    const choose = (): void => {
      key = load(actor, at(mkeyAddr(hca, 1 + randomBelow(actor, hca.mkeys - 1)), MKEY.key));
      left = BURST;
      if (key === 0 && ++misses % (4 * hca.mkeys) === 0) pause(cell, REST_US);
    };
    const suspend = (page: number, write: boolean): void => {
      const ticket = qpTicket(actor, hca);
      if (!pageRequestPost(actor, hca, key, page, write)) {
        pause(cell, REST_US);
        return;
      }
      // Suspended, holding nothing: a quiescent point in each slice.
      while (!qpWait(actor, hca, ticket, SLICE_MS) && !stopping(mem, control))
        parkPoint(actor, actor.control, actor.parkWord);
    };
    return () => {
      if (key === 0 || left-- <= 0) {
        choose();
        return;
      }
      // Pages of another registration are harmless: the access checks the key itself.
      const page = randomBelow(actor, mem[mkeyAddr(hca, keyIndex(key)) + MKEY.pages]!);
      const write = (nextRandom(actor) & 1) !== 0;
      const outcome = dmaAccess(actor, hca, key, page, write, access);
      if (outcome === OUTCOME.einval) key = 0;
      else if (outcome === OUTCOME.efault) suspend(page, write);
    };
  });
