import { describe, expect, it } from 'vitest';
import { at } from '../../src/memory/address.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { rawAdd, rawLoad, rawStore } from '../../src/sync/atomics.ts';
import { TASK, WAIT } from '../../src/sync/task.ts';
import {
  CONTROL,
  opBegin,
  opEnd,
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
    const { mem, control } = bed.world;
    const threads = [0, 1].map((tid) => startThread(bed, tid, [['parkUntil', 0]]));
    const serials = () => threads.map((t) => mem[bed.world.parkWords[t.tid]! + PARK_TASK.serial]!);
    await withThreads(threads, async () => {
      for (let round = 0; round < 5; round++) {
        expect(all(bed, LONG, 0, 1)).toBe(true);
        const parkedAt = serials();
        expect(threads.map((t) => mem[bed.world.taskAddr(t.tid) + TASK.waitKind])).toEqual([WAIT.park, WAIT.park]);
        expect(words(bed, 0, 1).map((word) => rawLoad(mem, word))).toEqual([epoch(bed), epoch(bed)]);
        await new Promise((resolve) => setTimeout(resolve, 5));
        expect(serials()).toEqual(parkedAt);
        release(mem, control);
        await until(() => serials().every((n, i) => n !== parkedAt[i]), 'they did not go on');
      }
      signal(bed, 0);
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

  it('does not count the arrival for an epoch that was given up as one for the next', () => {
    const bed = create();
    const { mem, control } = bed.world;
    parkFinished(bed.actors[1]!, control, bed.world.parkWords[1]!);
    expect(all(bed, 0, 0, 1)).toBe(false);
    // What a thread does that has seen the old epoch and is late: it says for which it has come, and counts as an arrival.
    rawStore(mem, bed.world.parkWords[0]!, epoch(bed) - 1);
    rawAdd(mem, at(control, CONTROL.parked), 1);
    expect(all(bed, 5, 0, 1)).toBe(false);
    // For the epoch that will be asked for, it does count: this is what tells the two apart.
    rawStore(mem, bed.world.parkWords[0]!, epoch(bed) + 1);
    expect(all(bed, 5, 0, 1)).toBe(true);
    release(mem, control);
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
