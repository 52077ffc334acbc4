import { pointName } from '../../trace/points.ts';
import type { Label } from '../control/steps.ts';
import type { Picture } from '../replay/picture.ts';

/** Lines that a forced order may have; see `gateArm`. */
export const MAX_ORDER = 64;

/** A point on its thread, as an order names it. */
interface OrderPoint {
  readonly tid: number;
  readonly name: string;
}

/**
 * Orders of points that may force a schedule on free threads, the shortest first. None of them is sure to: between two points a thread
 * runs freely, and a lock may stand against an order. Whoever wants one has to try it.
 *
 * The first have only the points at which threads take turns: the last one of the thread that stops, the first one of the one that goes
 * on. The others hold every thread at more of its points, the last at all of them.
 */
export function forcedOrders({ labels, steps, threads }: Pick<Picture, 'labels' | 'steps' | 'threads'>): string[][] {
  const orders = [heldBack(labels, steps), labels].flatMap((sorted) => ordersOf(sorted, threads));
  return orders
    .filter((order, i) => orders.findIndex((other) => other.join() === order.join()) === i)
    .sort((a, b) => a.length - b.length);
}

/**
 * The points as late as they can be: each just before the next step of its thread. A thread that is to stop behind a point can only be
 * held at it, so that point must come when the thread goes on.
 */
function heldBack(labels: readonly Label[], steps: Picture['steps']): Label[] {
  const place = ({ step, tid }: Label): number => {
    const next = steps.findIndex((one, i) => i >= step && one.tid === tid);
    return next < 0 ? steps.length : next;
  };
  return labels
    .map((label) => ({ label, at: place(label) }))
    .sort((a, b) => a.at - b.at)
    .map(({ label }) => label);
}

function ordersOf(labels: readonly Label[], names: readonly string[]): string[][] {
  const points = labels
    .map(({ tid, point }): OrderPoint => ({ tid, name: pointName(point) }))
    .filter(({ tid, name }) => tid < names.length && !name.startsWith('lock.'));
  const turns = points.map((one, i) => one.tid !== points[i - 1]?.tid || one.tid !== points[i + 1]?.tid);
  const begins = points.map((one, i) => i > 0 && one.tid !== points[i - 1]!.tid);
  const first = begins.indexOf(true);
  const last = begins.lastIndexOf(true);
  if (first < 0) return [];
  // Up to the first turn there is nothing to force but the last point before it; behind the last turn, nothing at all.
  const within = (i: number): boolean => i >= first - 1 && i <= last;
  const bare = (i: number): boolean => !points[i]!.name.startsWith('verb.');
  const choices = [
    (i: number): boolean => within(i) && turns[i]!,
    (i: number): boolean => within(i) && (turns[i]! || bare(i)),
    within,
    (): boolean => true,
  ];
  return choices
    .map((chosen) => withEarlier(points, chosen))
    .filter((order) => order.length > 1 && order.length <= MAX_ORDER)
    .map((order) => order.map(({ tid, name }) => `${names[tid]} ${name}`));
}

/** A gate takes the first point of a name for the one that is meant: so the earlier ones of its thread must be in the order too. */
function withEarlier(points: readonly OrderPoint[], chosen: (i: number) => boolean): OrderPoint[] {
  const same = (a: OrderPoint, b: OrderPoint): boolean => a.tid === b.tid && a.name === b.name;
  return points.filter((point, i) => points.some((later, k) => k >= i && chosen(k) && same(point, later)));
}
