import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import { describe, expect, it } from 'vitest';
import { NULL_PFN, type Pfn } from '../../src/memory/address.ts';
import {
  allocFrame,
  FRAME,
  frameAddr,
  frameGeneration,
  framesInUse,
  getFrame,
  POISON,
  putFrame,
  stampRead,
  stampWrite,
} from '../../src/mm/frame.ts';
import { rawLoad, rawStore } from '../../src/sync/atomics.ts';
import { NULL_OBSERVER } from '../../src/trace/observer.ts';
import { createWorld, sharedWord, traced } from './fixture.ts';
import type { FreeOrderData } from './free-order-worker.ts';

describe('a frame', () => {
  it('carries its stamp from allocation to its last reference, then poison and the next generation', () => {
    const { actor, mem, mm } = createWorld();
    const pfn = allocFrame(actor, mm.frames, 77);
    expect(stampRead(mem, mm.frames, pfn)).toBe(77);
    const generation = frameGeneration(actor, mm.frames, pfn);
    getFrame(actor, mm.frames, pfn);
    putFrame(actor, mm.frames, pfn);
    expect(stampRead(mem, mm.frames, pfn)).toBe(77);
    expect(frameGeneration(actor, mm.frames, pfn)).toBe(generation);
    const seen = traced(actor, () => putFrame(actor, mm.frames, pfn));
    expect(seen.map((s) => [s.name, s.a, s.b, s.c])).toEqual([['frame.freed', pfn, generation + 1, 77]]);
    expect(stampRead(mem, mm.frames, pfn)).toBe(POISON);
    expect(frameGeneration(actor, mm.frames, pfn)).toBe(generation + 1);
    expect(framesInUse(mem, mm.frames)).toBe(0);
  });

  it('has risen in generation and is poisoned before anybody else can have it', () => {
    const w = createWorld({ frames: 1 });
    const { actor, mem } = w;
    const { frames } = w.mm;
    const pfn = allocFrame(actor, frames, 5);
    const before = frameGeneration(actor, frames, pfn);
    let looked = 0;
    // The perturbation point lies after both and before the free: look from there.
    actor.mode = 2;
    const active = new Uint8Array(256).fill(1);
    const perturb = {
      options: { site: 1, fire: 1, spinMaxUs: 0, sleep: 0, sleepMaxUs: 0 },
      active: new Proxy(active, {
        get(target, key) {
          if (typeof key === 'string' && /^\d+$/.test(key)) {
            looked++;
            expect(frameGeneration(actor, frames, pfn)).toBe(before + 1);
            expect(stampRead(mem, frames, pfn)).toBe(POISON);
            expect(framesInUse(mem, frames)).toBe(1);
            expect(allocFrame({ ...actor, mode: 0 }, frames, 6)).toBe(NULL_PFN);
            return 0;
          }
          return Reflect.get(target, key);
        },
      }) as Uint8Array,
      fireBelow: 0,
      sleepWord: mem.length - 1,
    };
    putFrame({ ...actor, perturb: perturb as never }, frames, pfn);
    expect(looked).toBe(1);
    expect(allocFrame({ ...actor, mode: 0 }, frames, 6)).toBe(pfn);
  });

  it('is reported when its poison was overwritten while it was free', () => {
    const reused: [Pfn, boolean][] = [];
    const { actor, mem, mm } = createWorld({
      frames: 1,
      observer: { ...NULL_OBSERVER, frameReused: (_a, pfn, intact) => void reused.push([pfn, intact]) },
    });
    const pfn = allocFrame(actor, mm.frames, 5);
    putFrame(actor, mm.frames, pfn);
    expect(allocFrame(actor, mm.frames, 6)).toBe(pfn);
    putFrame(actor, mm.frames, pfn);
    // A device's late write through a stale entry.
    stampWrite(mem, mm.frames, pfn, 6);
    expect(allocFrame(actor, mm.frames, 7)).toBe(pfn);
    expect(stampRead(mem, mm.frames, pfn)).toBe(7);
    expect(reused).toEqual([
      [pfn, true],
      [pfn, true],
      [pfn, false],
    ]);
  });

  it('shows a write that destroyed its stamp, and a torn one as poison', () => {
    const { actor, mem, mm } = createWorld();
    const pfn = allocFrame(actor, mm.frames, 5);
    stampWrite(mem, mm.frames, pfn, 9);
    expect(stampRead(mem, mm.frames, pfn)).toBe(9);
    expect(mem[frameAddr(mm.frames, pfn) + FRAME.version]).toBe(1);
    mem[frameAddr(mm.frames, pfn) + FRAME.guard] = 0;
    expect(stampRead(mem, mm.frames, pfn)).toBe(POISON);
  });

  it('runs out: NULL, never a crash', () => {
    const { actor, mm } = createWorld({ frames: 3 });
    const got = [1, 2, 3].map((i) => allocFrame(actor, mm.frames, i));
    expect(new Set(got).size).toBe(3);
    expect(got).not.toContain(NULL_PFN);
    expect(allocFrame(actor, mm.frames, 4)).toBe(NULL_PFN);
    putFrame(actor, mm.frames, got[1]);
    expect(allocFrame(actor, mm.frames, 4)).toBe(got[1]);
  });

  it('never shows poison to a reader that then still finds the generation it knew', async () => {
    const w = createWorld({ frames: 1, threads: 2 });
    const { actor, mem } = w;
    const { frames } = w.mm;
    const identity = 1234;
    const [stop, live] = [sharedWord(w.options, 0), sharedWord(w.options, 1)];
    const workerData: FreeOrderData = { mem, plan: w.options, stop, live, identity };
    const worker = new Worker(new URL('./free-order-worker.js', import.meta.url), { workerData });
    const exit = once(worker, 'exit');
    await once(worker, 'online');
    while (rawLoad(mem, live) === 0) await new Promise((resolve) => setTimeout(resolve, 1));
    // Whichever frame it is: with one worker and a last-in first-out magazine it is always the same.
    let pfn = 0 as Pfn;
    for (let n = 1; n <= frames.count; n++) if (frameGeneration(actor, frames, n as Pfn) > 1) pfn = n as Pfn;
    let corrupt = 0;
    let stale = 0;
    // As a device: the entry's generation, the payload, then the frame's generation.
    for (let i = 0; i < 3_000_000; i++) {
      const entry = rawLoad(mem, live);
      const found = stampRead(mem, frames, pfn);
      if (frameGeneration(actor, frames, pfn) !== entry) stale++;
      else if (found !== identity) corrupt++;
    }
    rawStore(mem, stop, 1);
    await exit;
    expect(corrupt).toBe(0);
    expect(stale).toBeGreaterThan(0);
  });
});
