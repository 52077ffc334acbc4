import { describe, expect, it } from 'vitest';
import type { Label } from '../../src/explore/control/steps.ts';
import { forcedOrders, MAX_ORDER } from '../../src/explore/explain/forced-order.ts';
import type { PictureStep } from '../../src/explore/replay/picture.ts';
import { POINT, type PointName } from '../../src/trace/points.ts';

const threads = ['T1', 'T2'];
/** Steps by their threads; what else they are does not matter. */
const steps = (tids: string): PictureStep[] => [...tids].map((tid) => ({ tid: Number(tid) }) as PictureStep);
const label = (step: number, tid: number, name: PointName): Label => ({
  step,
  tid,
  point: POINT[name],
  args: [0, 0, 0],
});

describe('an order of points that may force a schedule', () => {
  it('has the points at which threads take turns; who is to stop behind a point is held at it', () => {
    const labels = [
      label(0, 0, 'madvise.enter'),
      label(0, 0, 'section.starting'),
      label(1, 0, 'section.started'),
      label(1, 1, 'register.enter'),
      label(2, 1, 'umem.inserted'),
      label(3, 0, 'section.ended'),
    ];
    const orders = forcedOrders({ labels, steps: steps('0110'), threads });
    // T1's next step behind `section.started` comes after all of T2.
    expect(orders[0]).toEqual(['T1 section.starting', 'T2 register.enter', 'T2 umem.inserted', 'T1 section.started']);
    expect(orders).toContainEqual(['T1 section.started', 'T2 register.enter', 'T2 umem.inserted', 'T1 section.ended']);
  });

  it('has the earlier points of the same name too: a gate cannot tell them apart', () => {
    const labels = [
      label(0, 0, 'fault.sampled'),
      label(1, 0, 'fault.sampled'),
      label(2, 1, 'section.starting'),
      label(3, 0, 'fault.committed'),
    ];
    const [shortest] = forcedOrders({ labels, steps: steps('0010'), threads });
    expect(shortest!.filter((line) => line === 'T1 fault.sampled')).toHaveLength(2);
  });

  it('is none when no thread is stopped, and never longer than a gate can hold', () => {
    expect(forcedOrders({ labels: [label(0, 0, 'madvise.enter')], steps: steps('0'), threads })).toEqual([]);
    const many = Array.from({ length: 200 }, (_, i) => label(i, i % 2, 'verb.begin'));
    const orders = forcedOrders({ labels: many, steps: steps('01'.repeat(100)), threads });
    for (const order of orders) expect(order.length).toBeLessThanOrEqual(MAX_ORDER);
  });
});
