import { describe, expect, it } from 'vitest';
import type { Pfn, Vpn } from '../../src/memory/address.ts';
import { allocFrame, putFrame } from '../../src/mm/frame.ts';
import { allocVma, freeVma } from '../../src/mm/vma.ts';
import { umemFree } from '../../src/odp/life.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { umemAddr } from '../../src/odp/ucontext.ts';
import { UMEM, umemExt } from '../../src/odp/umem.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { LIFE } from '../../src/trace/observer.ts';
import {
  createBed,
  deregister,
  fired,
  madvise,
  recordsOf,
  register,
  sectionEnd,
  sectionStart,
  umemOf,
} from '../oracles/fixture.ts';

const [T1, T2] = [0, 1] as const;

describe('use-after-free', () => {
  it('fires when a section finds a region that was freed and is still in the tree', () => {
    const bed = createBed({ ...contextCount, remove() {} });
    deregister(bed, T2, register(bed, T2, 4, 2));
    expect(fired(bed)).toEqual({});
    madvise(bed, T1, 4, 5);
    expect(fired(bed)['use-after-free']).toBe(1);
    expect(recordsOf(bed, 'use-after-free')[0]!.fields).toMatchObject({ tid: T1, reason: LIFE.umem });
  });

  it('fires when a removal came back before the deferred list was worked off (319561669a59)', () => {
    const hasty: Strategy = {
      ...intervalNotifier,
      remove(actor, ctx, umem) {
        // On one thread the real removal would wait for ever inside a section: this one defers, and does not.
        const { mem } = actor;
        mem[umemExt(umem) + 1] = 0;
        mem[umemExt(umem) + 2] = 0;
        mem[ctx.ext + (intervalNotifier.fields!.ucontext as unknown as { deferred: number }).deferred] = umem;
      },
    };
    const bed = createBed(hasty);
    const key = register(bed, T2, 4, 2);
    const umem = umemOf(bed, key);
    sectionStart(bed, T1, 4, 5);
    deregister(bed, T2, key);
    // The links were poisoned with the rest; the list ends here, so that the test does.
    bed.world.mem[umemExt(umem) + 1] = 0;
    sectionEnd(bed, T1);
    expect(fired(bed)['use-after-free']).toBeGreaterThan(0);
  });
});

describe('double-free', () => {
  it('fires for a region, a VMA and a frame that are freed twice', () => {
    const bed = createBed(contextCount);
    const { mm } = bed.world;
    const actor = bed.actors[T1]!;
    const key = register(bed, T2, 4, 2);
    const umem = umemOf(bed, key);
    const index = bed.world.mem[umem + UMEM.index]!;
    deregister(bed, T2, key);
    umemFree(actor, bed.ctx, umemAddr(bed.ctx, index), index);
    const vma = allocVma(actor, mm);
    freeVma(actor, mm, vma);
    freeVma(actor, mm, vma);
    const pfn = allocFrame(actor, mm.frames, 7);
    putFrame(actor, mm.frames, pfn);
    putFrame(actor, mm.frames, pfn as Pfn);
    expect(fired(bed)).toEqual({ 'double-free': 3 });
    expect(recordsOf(bed, 'double-free').map((v) => v.fields.reason)).toEqual([LIFE.umem, LIFE.vma, LIFE.frame]);
  });
});

it.each(STRATEGIES)('$name: what is freed is poisoned, and the next life begins at zero', (strategy) => {
  const bed = createBed(strategy);
  const { mem } = bed.world;
  const words = strategy.words.umem;
  const key = register(bed, T2, 4, 2);
  const umem = umemOf(bed, key);
  const life = mem[umem + UMEM.life]!;
  expect(life & 1).toBe(1);
  deregister(bed, T2, key);
  expect([...mem.subarray(umemExt(umem), umemExt(umem) + words)]).toEqual(Array(words).fill(0x6b6b6b6b));
  expect([mem[umem + UMEM.life], mem[umem + UMEM.key]]).toEqual([life + 1, 0x6b6b6b6b]);
  const next = register(bed, T2, 8 as Vpn, 1);
  expect(umemOf(bed, next)).toBe(umem);
  expect(mem[umem + UMEM.life]).toBe(life + 2);
  expect([...mem.subarray(umemExt(umem), umemExt(umem) + words)]).not.toContain(0x6b6b6b6b);
});
