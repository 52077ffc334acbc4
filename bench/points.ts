import { MODE } from '../src/trace/actor.ts';
import { point } from '../src/trace/point.ts';
import { POINT } from '../src/trace/points.ts';
import { openRefaultWorld } from './refault-world.ts';
import { BATCH, measure, type RoundOptions, type Row } from './rounds.ts';

const SAMPLED = POINT['fault.sampled'];

/** One protocol point: with everything off, and with a record written. */
export async function pointsBench(options: RoundOptions = {}): Promise<Row[]> {
  const { actor } = openRefaultWorld({ strategy: 'interval-notifier', observer: 'none', trace: false, threads: 1 });
  const marks = (name: string, mode: number) => ({
    name,
    run() {
      actor.mode = mode;
      for (let i = 0; i < BATCH; i++) point(actor, SAMPLED, 1, i, 2);
    },
  });
  return measure('points', [marks('point, all off', 0), marks('point, traced', MODE.trace)], options);
}
