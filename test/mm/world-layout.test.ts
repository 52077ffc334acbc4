import { describe, expect, it } from 'vitest';
import { censusFrames } from '../../src/mm/census.ts';
import { cpuAccess } from '../../src/mm/fault.ts';
import { frameAddr, framesInUse } from '../../src/mm/frame.ts';
import { MM, mmInit, mmRegions } from '../../src/mm/mm.ts';
import { mmapAnon, mmapFile } from '../../src/mm/mmap.ts';
import { mmuNotifierRegister } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { ptlOf } from '../../src/mm/page-table.ts';
import { extend } from '../../src/mm/truncate.ts';
import { ANON_IDENTITIES } from '../../src/mm/vma.ts';
import { attachWorld, createWorld, mmOptions, vpn } from './fixture.ts';

describe('the layout of mm', () => {
  it('is the same for every thread that asks', () => {
    const w = createWorld({ mms: 2, threads: 3, extraSectionWords: 5 });
    const other = attachWorld(w.mem, w.options);
    const plain = (world: typeof w.world): unknown =>
      JSON.parse(JSON.stringify(world, (key, value) => (key === 'world' || key === 'depotLock' ? undefined : value)));
    expect(plain(other.world)).toEqual(plain(w.world));
  });

  it('puts each page-table lock and each frame on a line of its own', () => {
    const { mm } = createWorld({ ptesPerTable: 8 });
    expect(ptlOf(mm, vpn(0))).toBe(ptlOf(mm, vpn(7)));
    expect(ptlOf(mm, vpn(8)) - ptlOf(mm, vpn(7))).toBe(16);
    expect([ptlOf(mm, vpn(0)) % 16, frameAddr(mm.frames, 1 as never) % 16, mm.frames.stride % 16]).toEqual([0, 0, 0]);
  });

  it('refuses sizes that make no sense', () => {
    const options = mmOptions();
    for (const bad of [
      { ptesPerTable: 3 },
      { ptesPerTable: 0 },
      { threads: 65 },
      { threads: 0 },
      { files: [{ pages: 0 }] },
      { files: Array.from({ length: 65 }, () => ({ pages: 1 })) },
      { files: [{ pages: 2 ** 20 + 1 }] },
      { frames: 2 ** 27 },
    ])
      expect(() => mmRegions({ ...options, ...bad }), JSON.stringify(bad)).toThrow(RangeError);
    expect(mmRegions({ ...options, files: [] }).length).toBeGreaterThan(0);
    const w = createWorld();
    expect(() => mmuNotifierRegister(w.actor, w.mm, 8)).toThrow(RangeError);
  });

  it('can be made empty and used again', () => {
    const w = createWorld();
    for (let round = 0; round < 3; round++) {
      expect(mmapAnon(w.actor, w.mm, vpn(0), vpn(9), true)).toBe(OUTCOME.ok);
      expect(extend(w.actor, w.world, w.world.files[0], 4)).toBe(OUTCOME.ok);
      expect(mmapFile(w.actor, w.mm, vpn(10), vpn(13), 0, 0, true)).toBe(OUTCOME.ok);
      for (let page = 0; page < 14; page++) expect(cpuAccess(w.actor, w.mm, vpn(page), true)).toBe(OUTCOME.ok);
      expect(framesInUse(w.mem, w.world.frames)).toBe(14);
      // Left as it is, in the middle of everything.
      mmInit(w.mem, w.world);
      expect(framesInUse(w.mem, w.world.frames)).toBe(0);
      expect(censusFrames(w.mem, w.world)).toEqual([]);
      expect(cpuAccess(w.actor, w.mm, vpn(0), false)).toBe(OUTCOME.efault);
    }
  });

  it('starts the stamps again at 1 when they are used up, and never leaves their range', () => {
    const w = createWorld();
    w.mem[w.mm.addr + MM.anonNext] = ANON_IDENTITIES - 3;
    mmapAnon(w.actor, w.mm, vpn(0), vpn(3), true);
    mmapAnon(w.actor, w.mm, vpn(4), vpn(7), true);
    for (const page of [0, 3, 4, 7]) cpuAccess(w.actor, w.mm, vpn(page), true);
    expect([0, 3, 4, 7].map((page) => w.mem[w.mm.identityOf + page])).toEqual([
      ANON_IDENTITIES - 3,
      ANON_IDENTITIES,
      1,
      4,
    ]);
  });
});
