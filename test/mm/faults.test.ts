import { describe, expect, it } from 'vitest';
import { NULL_PFN } from '../../src/memory/address.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { cpuAccess, getUserPage, handleMmFault } from '../../src/mm/fault.ts';
import { FILE } from '../../src/mm/file.ts';
import {
  FRAME,
  fileIdentity,
  frameAddr,
  frameGeneration,
  framesInUse,
  putFrame,
  stampRead,
} from '../../src/mm/frame.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { mmapAnon, mmapFile } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME, type Outcome, outcomeName } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek, ptePresent, pteWritable } from '../../src/mm/page-table.ts';
import { extend, truncate } from '../../src/mm/truncate.ts';
import { downRead, upRead } from '../../src/sync/rw-semaphore.ts';
import { counter, createWorld, recordingObserver, traced, vpn, type World } from './fixture.ts';

function fault(w: World, page: number, write = false): Outcome {
  downRead(w.actor, w.mm.mmapLock);
  // As though the look at the page table had found nothing.
  w.actor.gupPte = 0;
  const outcome = handleMmFault(w.actor, w.mm, vpn(page), write);
  upRead(w.actor, w.mm.mmapLock);
  return outcome;
}

function gup(w: World, page: number, write = false): Outcome {
  downRead(w.actor, w.mm.mmapLock);
  const outcome = getUserPage(w.actor, w.mm, vpn(page), write);
  upRead(w.actor, w.mm.mmapLock);
  return outcome;
}

/** Anonymous 0-15 writable, 16-19 read-only; file 32-63 with 8 of its 32 pages. */
function mapped(): World {
  const w = createWorld({ observer: recordingObserver() });
  expect(mmapAnon(w.actor, w.mm, vpn(0), vpn(15), true)).toBe(OUTCOME.ok);
  expect(mmapAnon(w.actor, w.mm, vpn(16), vpn(19), false)).toBe(OUTCOME.ok);
  expect(extend(w.actor, w.world, w.world.files[0], 8)).toBe(OUTCOME.ok);
  expect(mmapFile(w.actor, w.mm, vpn(32), vpn(63), 0, 0, true)).toBe(OUTCOME.ok);
  return w;
}

describe('handleMmFault', () => {
  it('gives an anonymous page a frame with its own stamp, and the same stamp again after madvise', () => {
    const w = mapped();
    expect(fault(w, 3)).toBe(OUTCOME.ok);
    const pte = ptePeek(w.mem, w.mm, vpn(3));
    expect(ptePresent(pte) && pteWritable(pte)).toBe(true);
    const stamp = stampRead(w.mem, w.mm.frames, pteFrame(pte));
    expect(stamp).toBe(w.mem[w.mm.identityOf + 3]);
    expect(fault(w, 4)).toBe(OUTCOME.ok);
    expect(stampRead(w.mem, w.mm.frames, pteFrame(ptePeek(w.mem, w.mm, vpn(4))))).toBe(stamp + 1);
    expect(madviseDontneed(w.actor, w.mm, vpn(3), vpn(3))).toBe(OUTCOME.ok);
    expect(ptePeek(w.mem, w.mm, vpn(3))).toBe(0);
    expect(fault(w, 3)).toBe(OUTCOME.ok);
    expect(stampRead(w.mem, w.mm.frames, pteFrame(ptePeek(w.mem, w.mm, vpn(3))))).toBe(stamp);
  });

  it('gives memory that is mapped anew another stamp than what lay there before', () => {
    const w = mapped();
    fault(w, 3);
    const before = w.mem[w.mm.identityOf + 3];
    munmap(w.actor, w.mm, vpn(0), vpn(15));
    mmapAnon(w.actor, w.mm, vpn(0), vpn(15), true);
    fault(w, 3);
    expect(w.mem[w.mm.identityOf + 3]).not.toBe(before);
  });

  it('answers EFAULT without a VMA, outside the address space and to a write of read-only memory', () => {
    const w = mapped();
    expect(fault(w, 25)).toBe(OUTCOME.efault);
    expect(fault(w, -1)).toBe(OUTCOME.efault);
    expect(fault(w, 64)).toBe(OUTCOME.efault);
    expect(fault(w, 16, true)).toBe(OUTCOME.efault);
    expect(fault(w, 16)).toBe(OUTCOME.ok);
    expect(pteWritable(ptePeek(w.mem, w.mm, vpn(16)))).toBe(false);
    expect(gup(w, 16, true)).toBe(OUTCOME.efault);
    expect(gup(w, 25)).toBe(OUTCOME.efault);
    expect(cpuAccess(w.actor, w.mm, vpn(16), true)).toBe(OUTCOME.efault);
    expect(cpuAccess(w.actor, w.mm, vpn(64), true)).toBe(OUTCOME.efault);
    expect(framesInUse(w.mem, w.mm.frames)).toBe(1);
  });

  it('reads a file page through the cache, and answers SIGBUS beyond i_size', () => {
    const w = mapped();
    expect(fault(w, 39)).toBe(OUTCOME.ok);
    const pfn = pteFrame(ptePeek(w.mem, w.mm, vpn(39)));
    expect(w.mem[w.world.files[0].pageCache + 7]).toBe(pfn);
    expect(stampRead(w.mem, w.mm.frames, pfn)).toBe(fileIdentity(0, 7));
    expect(w.mem[frameAddr(w.mm.frames, pfn) + FRAME.refcount]).toBe(2);
    expect(w.mem[frameAddr(w.mm.frames, pfn) + FRAME.mapcount]).toBe(1);
    expect(fault(w, 40)).toBe(OUTCOME.sigbus);
    expect(gup(w, 40)).toBe(OUTCOME.sigbus);
    extend(w.actor, w.world, w.world.files[0], 9);
    expect(fault(w, 40)).toBe(OUTCOME.ok);
  });

  it('shares one frame between two mappings of a file', () => {
    const w = createWorld({ mms: 2 });
    const [one, two] = w.world.mms;
    extend(w.actor, w.world, w.world.files[0], 32);
    mmapFile(w.actor, one, vpn(0), vpn(31), 0, 0, true);
    mmapFile(w.actor, two, vpn(10), vpn(20), 0, 5, false);
    expect(cpuAccess(w.actor, one, vpn(5), true)).toBe(OUTCOME.ok);
    expect(cpuAccess(w.actor, two, vpn(10), false)).toBe(OUTCOME.ok);
    const pfn = pteFrame(ptePeek(w.mem, one, vpn(5)));
    expect(pteFrame(ptePeek(w.mem, two, vpn(10)))).toBe(pfn);
    expect(w.mem[frameAddr(w.mm.frames, pfn) + FRAME.mapcount]).toBe(2);
    truncate(w.actor, w.world, w.world.files[0], 5);
    expect(ptePeek(w.mem, one, vpn(5))).toBe(0);
    expect(ptePeek(w.mem, two, vpn(10))).toBe(0);
    expect(framesInUse(w.mem, w.mm.frames)).toBe(0);
  });

  it('answers ENOMEM when the frames are used up, and works again when some are free', () => {
    const w = createWorld({ frames: 4 });
    mmapAnon(w.actor, w.mm, vpn(0), vpn(15), true);
    extend(w.actor, w.world, w.world.files[0], 32);
    mmapFile(w.actor, w.mm, vpn(32), vpn(63), 0, 0, true);
    for (let page = 0; page < 4; page++) expect(fault(w, page)).toBe(OUTCOME.ok);
    expect(fault(w, 4)).toBe(OUTCOME.enomem);
    expect(fault(w, 32)).toBe(OUTCOME.enomem);
    expect(cpuAccess(w.actor, w.mm, vpn(5), true)).toBe(OUTCOME.enomem);
    expect(counter(w.actor, 'fail.allocation')).toBe(3);
    expect(counter(w.actor, 'fail.touch')).toBe(1);
    madviseDontneed(w.actor, w.mm, vpn(0), vpn(0));
    expect(fault(w, 32)).toBe(OUTCOME.ok);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('is harmless where the page is present already', () => {
    const w = mapped();
    for (const page of [1, 33]) {
      expect(fault(w, page)).toBe(OUTCOME.ok);
      const pte = ptePeek(w.mem, w.mm, vpn(page));
      expect(fault(w, page)).toBe(OUTCOME.ok);
      expect(ptePeek(w.mem, w.mm, vpn(page))).toBe(pte);
    }
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('says in its point what came of it', () => {
    const w = mapped();
    const seen = traced(w.actor, () => fault(w, 40, true)).map((s) => `${s.name} ${s.a} ${s.b} ${outcomeName(s.c)}`);
    expect(seen).toEqual(['mm.faulted 40 1 SIGBUS']);
  });
});

describe('getUserPage', () => {
  it('takes a reference and samples frame, generation and stamp', () => {
    const w = mapped();
    expect(gup(w, 2, true)).toBe(OUTCOME.ok);
    const { gupPfn } = w.actor;
    expect(gupPfn).toBe(pteFrame(ptePeek(w.mem, w.mm, vpn(2))));
    expect(w.actor.gupGeneration).toBe(frameGeneration(w.actor, w.mm.frames, gupPfn));
    expect(w.actor.gupIdentity).toBe(stampRead(w.mem, w.mm.frames, gupPfn));
    expect(w.mem[frameAddr(w.mm.frames, gupPfn) + FRAME.refcount]).toBe(2);
    expect(censusFrames(w.mem, w.world, [gupPfn])).toEqual([]);
    expect(censusFrames(w.mem, w.world)).toEqual([{ pfn: gupPfn, expected: 1, found: 2, allocated: true }]);
    // The reference keeps the frame when the mapping goes.
    madviseDontneed(w.actor, w.mm, vpn(2), vpn(2));
    expect(frameGeneration(w.actor, w.mm.frames, gupPfn)).toBe(w.actor.gupGeneration);
    putFrame(w.actor, w.mm.frames, gupPfn);
    expect(frameGeneration(w.actor, w.mm.frames, gupPfn)).toBe(w.actor.gupGeneration + 1);
    expect(framesInUse(w.mem, w.mm.frames)).toBe(0);
  });

  it('hands out a present page beyond i_size (hole c1), where the fault handler answers SIGBUS', () => {
    const w = mapped();
    const file = w.world.files[0];
    expect(fault(w, 39)).toBe(OUTCOME.ok);
    // Where truncate stands between lowering i_size and pass 1.
    w.mem[file.addr + FILE.size] = 4;
    expect(gup(w, 39)).toBe(OUTCOME.ok);
    expect(w.actor.gupPfn).not.toBe(NULL_PFN);
    putFrame(w.actor, w.mm.frames, w.actor.gupPfn);
    expect(fault(w, 38)).toBe(OUTCOME.sigbus);
    expect(fault(w, 39)).toBe(OUTCOME.sigbus);
    w.mem[file.addr + FILE.size] = 8;
    truncate(w.actor, w.world, file, 4);
    expect(gup(w, 39)).toBe(OUTCOME.sigbus);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });
});

describe('cpuAccess', () => {
  it('reads and writes through the page table, and counts', () => {
    const w = mapped();
    const seen = traced(w.actor, () => {
      expect(cpuAccess(w.actor, w.mm, vpn(1), true)).toBe(OUTCOME.ok);
      expect(cpuAccess(w.actor, w.mm, vpn(1), false)).toBe(OUTCOME.ok);
    });
    const pfn = pteFrame(ptePeek(w.mem, w.mm, vpn(1)));
    const stamp = stampRead(w.mem, w.mm.frames, pfn);
    expect(seen.map((s) => [s.name, s.a, s.b, s.c])).toEqual([
      ['mm.faulted', 1, 1, OUTCOME.ok],
      ['cpu.write', 1, pfn, stamp],
      ['cpu.read', 1, pfn, stamp],
    ]);
    expect(w.mem[frameAddr(w.mm.frames, pfn) + FRAME.version]).toBe(1);
    expect([counter(w.actor, 'op.touchRead'), counter(w.actor, 'op.touchWrite')]).toEqual([1, 1]);
    expect((w.actor.observer as ReturnType<typeof recordingObserver>).log).toEqual([]);
  });

  it('tells the observer when the payload belongs to somebody else', () => {
    const w = mapped();
    cpuAccess(w.actor, w.mm, vpn(1), false);
    const pfn = pteFrame(ptePeek(w.mem, w.mm, vpn(1)));
    const stamp = stampRead(w.mem, w.mm.frames, pfn);
    w.mem[frameAddr(w.mm.frames, pfn) + FRAME.identity] = 99;
    w.mem[frameAddr(w.mm.frames, pfn) + FRAME.guard] = ~99;
    cpuAccess(w.actor, w.mm, vpn(1), false);
    expect((w.actor.observer as ReturnType<typeof recordingObserver>).log).toEqual([
      `page 1 frame ${pfn}: 99 instead of ${stamp}`,
    ]);
  });
});
