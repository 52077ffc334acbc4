import { describe, expect, it } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { rawAdd, rawLoad, rawStore } from '../../src/sync/atomics.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import {
  CONTROL,
  opBegin,
  opEnd,
  PARK_FINISHED,
  PARK_TASK,
  parkAll,
  parkFinished,
  parkPoint,
  parkRequested,
  release,
  stopping,
  WAITING_OP,
} from '../../src/trace/park.ts';
import { type Bed, createBed } from '../oracles/fixture.ts';
import { signal, startThread, until, withThreads } from '../oracles/threads.ts';

const LONG = 10_000;
const create = (): Bed => createBed(contextCount);
const words = (bed: Bed, ...tids: number[]) => tids.map((tid) => bed.world.parkWords[tid]!);
const all = (bed: Bed, ms: number, ...tids: number[]): boolean =>
  parkAll(bed.world.mem, bed.world.control, words(bed, ...tids), ms);
const epoch = (bed: Bed): number => rawLoad(bed.world.mem, at(bed.world.control, CONTROL.parkEpoch));

describe('parking', () => {
  it('costs a thread nothing but a serial number while nobody asks for it', () => {
    const bed = create();
    const actor = bed.actors[0]!;
    const serial = () => bed.world.mem[actor.parkWord + PARK_TASK.serial];
    expect(serial()).toBe(0);
    parkPoint(actor, actor.control, actor.parkWord);
    parkPoint(actor, actor.control, actor.parkWord);
    expect(serial()).toBe(2);
    expect(parkRequested(bed.world.mem, bed.world.control)).toBe(false);
  });

  it('keeps real threads at their quiescent points until they are released, again and again', async () => {
    const bed = create();
    const rounds = 5;
    const steps = Array.from({ length: 4000 }, () => ['park'] as const);
    const threads = [0, 1].map((tid) => startThread(bed, tid, [['await', tid], ...steps]));
    await withThreads(threads, async () => {
      // Asked for before anybody has come: all arrive.
      let parked: boolean;
      for (let round = 0; round < rounds; round++) {
        if (round === 0) for (const t of threads) signal(bed, t.tid);
        parked = all(bed, LONG, 0, 1);
        expect(parked).toBe(true);
        const done = threads.map((t) => t.done());
        for (const t of threads)
          if (t.done() <= steps.length) {
            const kind = bed.world.mem[bed.world.taskAddr(t.tid) + TASK.waitKind];
            expect(kind === WAIT.park || rawLoad(bed.world.mem, bed.world.parkWords[t.tid]!) === PARK_FINISHED).toBe(
              true,
            );
          }
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect(threads.map((t) => t.done())).toEqual(done);
        release(bed.world.mem, bed.world.control);
      }
      await Promise.all(threads.map((t) => t.ended));
    });
  });

  it('counts those who have finished as parked', () => {
    const bed = create();
    for (const tid of [0, 1]) parkFinished(bed.actors[tid]!, bed.world.control, bed.world.parkWords[tid]!);
    expect(all(bed, 0, 0, 1)).toBe(true);
    expect(epoch(bed) & 1).toBe(1);
    release(bed.world.mem, bed.world.control);
    expect(epoch(bed) & 1).toBe(0);
  });

  it('is given up when somebody does not come in time, and nobody stays parked then', async () => {
    const bed = create();
    const thread = startThread(bed, 0, [['await', 0], ['park'], ['park']]);
    await withThreads([thread], async () => {
      signal(bed, 0);
      expect(all(bed, 20, 0, 1)).toBe(false);
      expect(epoch(bed) & 1).toBe(0);
      await thread.ended;
    });
  });

  it('does not count the arrival for an epoch that was given up as one for the next', async () => {
    const bed = create();
    const { mem, control } = bed.world;
    expect(all(bed, 0, 0, 1)).toBe(false);
    // What a thread does that has seen the old epoch and is late: it says so, adds itself to the arrivals, and finds it over.
    rawStore(mem, bed.world.parkWords[0]!, 1);
    rawAdd(mem, at(control, CONTROL.parked), 2);
    parkFinished(bed.actors[1]!, control, bed.world.parkWords[1]!);
    expect(epoch(bed)).toBe(2);
    expect(all(bed, 5, 0, 1)).toBe(false);
    // It comes for the epoch that is asked for: this one counts.
    const thread = startThread(bed, 0, [['await', 0], ['park']]);
    await withThreads([thread], async () => {
      signal(bed, 0);
      await thread.ended;
      rawAdd(mem, at(control, CONTROL.parkEpoch), 1);
      rawStore(mem, bed.world.parkWords[0]!, epoch(bed));
      rawAdd(mem, at(control, CONTROL.parkEpoch), 1);
      expect(all(bed, 5, 0, 1)).toBe(false);
    });
  });

  it('parks once more when the next epoch has begun before it could leave', async () => {
    const bed = create();
    const { mem, control } = bed.world;
    rawAdd(mem, at(control, CONTROL.parkEpoch), 1);
    const thread = startThread(bed, 0, [['park']]);
    await withThreads([thread], async () => {
      await until(() => rawLoad(mem, bed.world.parkWords[0]!) === 1, 'it did not park');
      // Released and asked for in one step: the sleeper has seen neither.
      rawAdd(mem, at(control, CONTROL.parkEpoch), 1);
      expect(all(bed, LONG, 0)).toBe(true);
      expect(rawLoad(mem, bed.world.parkWords[0]!)).toBe(3);
      expect(thread.done()).toBe(0);
      release(mem, control);
      await thread.ended;
    });
  });
});

describe('what a thread says of itself', () => {
  it('is the range that a registration or removal waits for, with a serial of its own', () => {
    const bed = create();
    const { mem } = bed.world;
    const p = bed.world.parkWords[0]!;
    opBegin(mem, p, WAITING_OP.register, 0, 4, 7);
    const first = mem[p + PARK_TASK.serial]!;
    expect([PARK_TASK.kind, PARK_TASK.mm, PARK_TASK.start, PARK_TASK.last].map((f) => mem[p + f])).toEqual([
      WAITING_OP.register,
      0,
      4,
      7,
    ]);
    opEnd(mem, p);
    expect(mem[p + PARK_TASK.kind]).toBe(WAITING_OP.none);
    opBegin(mem, p, WAITING_OP.deregister, 0, 4, 7);
    expect(mem[p + PARK_TASK.serial]).toBe(first + 1);
  });

  it('stops when it is told to', () => {
    const bed = create();
    expect(stopping(bed.world.mem, bed.world.control)).toBe(false);
    rawStore(bed.world.mem, at(bed.world.control, CONTROL.stop), 1);
    expect(stopping(bed.world.mem, bed.world.control)).toBe(true);
  });
});
