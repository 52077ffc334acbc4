import { describe, expect, it } from 'vitest';
import { QP, qpAddr, REQUEST_QUEUE } from '../../src/hca/device.ts';
import {
  createPageRequest,
  pageRequestPost,
  pageRequestTake,
  qpResume,
  qpTicket,
  qpWait,
} from '../../src/hca/page-request.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { WAIT } from '../../src/sync/task.ts';
import { type Bed, counter, createBed } from '../oracles/fixture.ts';
import { startThread, withThreads } from '../oracles/threads.ts';

const [T1, , T3, T4] = [0, 1, 2, 3] as const;
const QUEUE = 4;

const create = (): Bed => createBed(contextCount, { queue: QUEUE });
const post = (bed: Bed, tid: number, key: number, page = 0, write = false): boolean =>
  pageRequestPost(bed.actors[tid]!, bed.world.hca, key, page, write);
function take(bed: Bed, timeoutMs = 0) {
  const request = createPageRequest();
  return pageRequestTake(bed.actors[T3]!, bed.world.hca, request, timeoutMs) ? request : null;
}

describe('the page-request queue', () => {
  it('is empty at first, and says so at once or after the time it was given', () => {
    const bed = create();
    expect(take(bed)).toBeNull();
    expect(take(bed, 5)).toBeNull();
  });

  it('gives requests out in the order in which they came, as they were', () => {
    const bed = create();
    post(bed, T4, 11, 3, true);
    post(bed, T1, 12, 0, false);
    post(bed, T4, 13, 7, false);
    expect(take(bed)).toEqual({ key: 11, page: 3, write: true, qp: T4 });
    expect(take(bed)).toEqual({ key: 12, page: 0, write: false, qp: T1 });
    post(bed, T1, 14);
    expect([take(bed)!.key, take(bed)!.key]).toEqual([13, 14]);
    expect(take(bed)).toBeNull();
  });

  it('takes no more than it holds, and counts what it turned away', () => {
    const bed = create();
    expect(Array.from({ length: QUEUE + 2 }, (_, i) => post(bed, T4, i + 1))).toEqual([
      true,
      true,
      true,
      true,
      false,
      false,
    ]);
    expect(counter(bed, 'exposure.queueFull')).toBe(2);
    expect(take(bed)!.key).toBe(1);
    expect(post(bed, T4, 9)).toBe(true);
    expect(Array.from({ length: QUEUE }, () => take(bed)!.key)).toEqual([2, 3, 4, 9]);
  });

  it('goes round, also where its counters pass the end of a word', () => {
    const bed = create();
    const { mem, hca } = bed.world;
    for (const from of [0, 0x7ffffffe]) {
      mem[hca.queue + REQUEST_QUEUE.head] = from;
      mem[hca.queue + REQUEST_QUEUE.tail] = from;
      for (let i = 0; i < 11; i++) {
        expect([post(bed, T4, 100 + i), post(bed, T4, 200 + i), post(bed, T4, 300 + i)]).toEqual([true, true, true]);
        expect([take(bed)!.key, take(bed)!.key, take(bed)!.key]).toEqual([100 + i, 200 + i, 300 + i]);
      }
      for (let i = 0; i < QUEUE; i++) expect(post(bed, T4, i + 1)).toBe(true);
      expect(post(bed, T4, 9)).toBe(false);
      for (let i = 0; i < QUEUE; i++) expect(take(bed)!.key).toBe(i + 1);
      expect(take(bed)).toBeNull();
    }
  });
});

describe('a suspended QP', () => {
  it('is resumed with or without an error', () => {
    const bed = create();
    const { hca, mem } = bed.world;
    const actor = bed.actors[T4]!;
    for (const error of [true, false, true]) {
      const ticket = qpTicket(actor, hca);
      post(bed, T4, 1);
      qpResume(bed.actors[T3]!, hca, take(bed)!, error);
      expect(qpWait(actor, hca, ticket, 0)).toBe(true);
      expect(mem[qpAddr(hca, T4) + QP.error]).toBe(error ? 1 : 0);
    }
  });

  it('does not lose a resume that comes before it begins to wait', () => {
    const bed = create();
    const actor = bed.actors[T4]!;
    const ticket = qpTicket(actor, bed.world.hca);
    post(bed, T4, 1);
    qpResume(bed.actors[T3]!, bed.world.hca, take(bed)!, false);
    // Without an end to its wait: a lost resume would hang here, so the thread's bound is the test's.
    expect(qpWait(actor, bed.world.hca, ticket, 10_000)).toBe(true);
  });

  it('waits again when it was not resumed in time, and takes an older resume for none', () => {
    const bed = create();
    const actor = bed.actors[T4]!;
    const { hca } = bed.world;
    post(bed, T4, 1);
    qpResume(bed.actors[T3]!, hca, take(bed)!, false);
    const ticket = qpTicket(actor, hca);
    expect(qpWait(actor, hca, ticket, 2)).toBe(false);
    post(bed, T4, 1);
    qpResume(bed.actors[T3]!, hca, take(bed)!, false);
    expect(qpWait(actor, hca, ticket, 2)).toBe(true);
  });

  it('is woken on its own thread, and no other is', async () => {
    const bed = create();
    const threads = [T1, T4].map((tid) => startThread(bed, tid, [['qpWait', 60_000]]));
    await withThreads(threads, async () => {
      for (const t of threads) await t.sleepsIn(WAIT.idle);
      qpResume(bed.actors[T3]!, bed.world.hca, { key: 1, page: 0, write: false, qp: T4 }, false);
      expect(await threads[1]!.ended).toEqual([true]);
      expect(threads[0]!.done()).toBe(0);
    });
  });
});
