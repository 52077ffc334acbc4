import { describe, expect, it } from 'vitest';
import { at, type Pfn } from '../../src/memory/address.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { cpuAccess, getUserPage } from '../../src/mm/fault.ts';
import { filemapRemoveUnused, filemapReplaceFolio, fileSize } from '../../src/mm/file.ts';
import { allocFrame, FRAME, fileIdentity, frameAddr, framesInUse, getFrame } from '../../src/mm/frame.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { migrateRange } from '../../src/mm/migrate.ts';
import { mmapAnon, mmapFile } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { mmuNotifierRegister } from '../../src/mm/notifier.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { installPte, pteFrame, ptePeek, ptePresent } from '../../src/mm/page-table.ts';
import { extend, truncate } from '../../src/mm/truncate.ts';
import { mutexTrylock, mutexUnlock } from '../../src/sync/mutex.ts';
import { downReadTrylock, downWriteTrylock, upRead, upWrite } from '../../src/sync/rw-semaphore.ts';
import type { Actor } from '../../src/trace/actor.ts';
import { counter, createWorld, type Step, traced, vpn, type World, type WorldOptions } from './fixture.ts';

/** One line per point, without the cookies. */
const lines = (list: readonly Step[]): string[] =>
  list.map(({ name, a, b, c }) => {
    if (name === 'section.cleared') return `cleared ${a}-${b}: ${c}`;
    if (name.startsWith('section.')) return `${name.slice(8)} ${a}-${b}`;
    return name === 'truncate.removed' ? `removed ${b}` : name;
  });
const section = (a: number, b: number, n: number): string[] => [
  `starting ${a}-${b}`,
  `started ${a}-${b}`,
  `cleared ${a}-${b}: ${n}`,
  `ending ${a}-${b}`,
  `ended ${a}-${b}`,
];
const freed = (n: number): string[] => Array.from({ length: n }, () => 'frame.freed');

function touched(options: WorldOptions, setup: (w: World) => void, pages: readonly number[]): World {
  const w = createWorld({ threads: 2, ...options });
  setup(w);
  for (const page of pages) expect(cpuAccess(w.actor, w.mm, vpn(page), true)).toBe(OUTCOME.ok);
  return w;
}

/** Runs `look` in every start callback: on another actor, as another thread would at that moment. */
function inSection(w: World, look: (other: Actor) => void): void {
  w.mm.subscriptions.push({
    index: 0,
    rangeStart: () => {
      look(w.actors[1]);
      return OUTCOME.ok;
    },
    rangeEnd() {},
    release() {},
  });
  mmuNotifierRegister(w.actor, w.mm, 0);
}

/** Which modes of a semaphore another thread could have now. */
function free(other: Actor, sem: Parameters<typeof downReadTrylock>[1]): string {
  if (downWriteTrylock(other, sem)) {
    upWrite(other, sem);
    return 'RW';
  }
  if (!downReadTrylock(other, sem)) return '';
  upRead(other, sem);
  return 'R';
}

describe('madvise', () => {
  const two = (w: World): void => {
    mmapAnon(w.actor, w.mm, vpn(4), vpn(9), true);
    mmapAnon(w.actor, w.mm, vpn(10), vpn(19), true);
  };

  it('opens a section for each VMA, and frees behind its end', () => {
    const w = touched({}, two, [4, 9, 10, 11, 19]);
    const seen = traced(w.actor, () => expect(madviseDontneed(w.actor, w.mm, vpn(6), vpn(15))).toBe(OUTCOME.ok));
    expect(lines(seen)).toEqual([
      'madvise.enter',
      ...section(6, 9, 1),
      ...freed(1),
      ...section(10, 15, 2),
      ...freed(2),
    ]);
    expect([4, 9, 10, 11, 19].map((p) => ptePresent(ptePeek(w.mem, w.mm, vpn(p))))).toEqual([
      true,
      false,
      false,
      false,
      true,
    ]);
  });

  it('answers ENOMEM over a hole, but does the rest; EINVAL outside', () => {
    const w = touched({}, two, [4, 19]);
    const seen = traced(w.actor, () => expect(madviseDontneed(w.actor, w.mm, vpn(0), vpn(25))).toBe(OUTCOME.enomem));
    expect(lines(seen)).toEqual([
      'madvise.enter',
      ...section(4, 9, 1),
      ...freed(1),
      ...section(10, 19, 1),
      ...freed(1),
    ]);
    expect(madviseDontneed(w.actor, w.mm, vpn(3), vpn(2))).toBe(OUTCOME.einval);
    expect(madviseDontneed(w.actor, w.mm, vpn(0), vpn(64))).toBe(OUTCOME.einval);
    expect(madviseDontneed(w.actor, w.mm, vpn(-1), vpn(4))).toBe(OUTCOME.einval);
  });

  it('holds mmap_lock for reading over its section', () => {
    const w = touched({}, two, [5]);
    const seen: string[] = [];
    inSection(w, (other) => void seen.push(free(other, w.mm.mmapLock)));
    madviseDontneed(w.actor, w.mm, vpn(5), vpn(5));
    expect(seen).toEqual(['R']);
    expect(free(w.actors[1], w.mm.mmapLock)).toBe('RW');
  });

  it('releases a full batch inside the section, and counts it', () => {
    const pages = Array.from({ length: 40 }, (_, i) => i);
    for (const ptesPerTable of [1, 16, 64]) {
      const w = touched({ ptesPerTable }, (x) => mmapAnon(x.actor, x.mm, vpn(0), vpn(63), true), pages);
      const seen = lines(traced(w.actor, () => madviseDontneed(w.actor, w.mm, vpn(0), vpn(63))));
      expect(seen).toEqual([
        'madvise.enter',
        'starting 0-63',
        'started 0-63',
        ...freed(32),
        'cleared 0-63: 40',
        'ending 0-63',
        'ended 0-63',
        ...freed(8),
      ]);
      expect(counter(w.actor, 'exposure.gatheredFreeInSection')).toBe(32);
      expect(framesInUse(w.mem, w.mm.frames)).toBe(0);
    }
  });
});

describe('munmap', () => {
  const three = (w: World): void => {
    mmapAnon(w.actor, w.mm, vpn(0), vpn(9), true);
    extend(w.actor, w.world, w.world.files[0], 32);
    mmapFile(w.actor, w.mm, vpn(10), vpn(19), 0, 3, true);
    mmapAnon(w.actor, w.mm, vpn(24), vpn(29), true);
  };

  it('opens one section around all VMAs of the range, and frees behind its end', () => {
    const w = touched({}, three, [0, 5, 12, 24, 29]);
    const seen = traced(w.actor, () => expect(munmap(w.actor, w.mm, vpn(5), vpn(27))).toBe(OUTCOME.ok));
    // The file's page stays in the cache.
    expect(lines(seen)).toEqual(['munmap.enter', ...section(5, 27, 3), ...freed(2)]);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('of the middle leaves two VMAs with the stamps and offsets of before', () => {
    const w = touched({}, three, [2, 7, 11, 18]);
    const stamps = [2, 7, 11, 18].map((p) => w.mem[w.mm.identityOf + p]);
    expect(munmap(w.actor, w.mm, vpn(4), vpn(5))).toBe(OUTCOME.ok);
    expect(munmap(w.actor, w.mm, vpn(14), vpn(15))).toBe(OUTCOME.ok);
    const mapped = Array.from({ length: 30 }, (_, p) => (w.mem[w.mm.vmaOf + p] === 0 ? '.' : 'x')).join('');
    expect(mapped).toBe('xxxx..xxxxxxxx..xxxx....xxxxxx');
    expect(new Set([0, 6, 10, 16].map((p) => w.mem[w.mm.vmaOf + p])).size).toBe(4);
    expect(cpuAccess(w.actor, w.mm, vpn(4), false)).toBe(OUTCOME.efault);
    madviseDontneed(w.actor, w.mm, vpn(0), vpn(29));
    for (const p of [2, 7, 11, 18]) expect(cpuAccess(w.actor, w.mm, vpn(p), true)).toBe(OUTCOME.ok);
    expect([2, 7, 11, 18].map((p) => w.mem[w.mm.identityOf + p])).toEqual(stamps);
    // Truncate finds both parts: page 3 of the file is at 10, page 11 at 18.
    truncate(w.actor, w.world, w.world.files[0], 4);
    expect([10, 11, 18].map((p) => ptePresent(ptePeek(w.mem, w.mm, vpn(p))))).toEqual([false, false, false]);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('runs its section under mmap_lock R with the VMAs gone: GUP gets EFAULT though the entry is still there', () => {
    const w = touched({}, three, [5]);
    const seen: unknown[] = [];
    inSection(w, (other) => {
      seen.push(free(other, w.mm.mmapLock), ptePresent(ptePeek(w.mem, w.mm, vpn(5))));
      seen.push(getUserPage(other, w.mm, vpn(5), false), free(other, w.world.files[0].iMmapRwsem));
    });
    munmap(w.actor, w.mm, vpn(0), vpn(19));
    expect(seen).toEqual(['R', true, OUTCOME.efault, 'RW']);
    expect(free(w.actors[1], w.mm.mmapLock)).toBe('RW');
  });

  it('of nothing is no section; outside it is EINVAL', () => {
    const w = touched({}, three, []);
    expect(lines(traced(w.actor, () => munmap(w.actor, w.mm, vpn(20), vpn(23))))).toEqual(['munmap.enter']);
    expect(munmap(w.actor, w.mm, vpn(60), vpn(64))).toBe(OUTCOME.einval);
  });

  it('that cannot split answers ENOMEM and changes nothing', () => {
    const w = createWorld({ vmas: 2 });
    mmapAnon(w.actor, w.mm, vpn(0), vpn(19), true);
    cpuAccess(w.actor, w.mm, vpn(9), true);
    const before = w.mem.slice(w.mm.vmaOf, w.mm.vmaOf + w.mm.pages);
    // Needs two more and has one.
    expect(lines(traced(w.actor, () => expect(munmap(w.actor, w.mm, vpn(8), vpn(10))).toBe(OUTCOME.enomem)))).toEqual([
      'munmap.enter',
    ]);
    expect(w.mem.slice(w.mm.vmaOf, w.mm.vmaOf + w.mm.pages)).toEqual(before);
    expect(free(w.actor, w.mm.mmapLock)).toBe('RW');
    expect(munmap(w.actor, w.mm, vpn(8), vpn(19))).toBe(OUTCOME.ok);
    expect(mmapAnon(w.actor, w.mm, vpn(30), vpn(31), true)).toBe(OUTCOME.ok);
    expect(mmapAnon(w.actor, w.mm, vpn(32), vpn(33), true)).toBe(OUTCOME.enomem);
  });
});

describe('mmap', () => {
  it('refuses what is occupied, outside, or beyond the file', () => {
    const w = createWorld();
    const seen = traced(w.actor, () => {
      expect(mmapAnon(w.actor, w.mm, vpn(4), vpn(9), true)).toBe(OUTCOME.ok);
      expect(mmapAnon(w.actor, w.mm, vpn(9), vpn(12), true)).toBe(OUTCOME.einval);
      expect(mmapAnon(w.actor, w.mm, vpn(0), vpn(4), true)).toBe(OUTCOME.einval);
      expect(mmapAnon(w.actor, w.mm, vpn(60), vpn(64), true)).toBe(OUTCOME.einval);
      expect(mmapFile(w.actor, w.mm, vpn(20), vpn(29), 1, 0, true)).toBe(OUTCOME.einval);
      expect(mmapFile(w.actor, w.mm, vpn(20), vpn(29), 0, 23, true)).toBe(OUTCOME.einval);
      expect(mmapFile(w.actor, w.mm, vpn(20), vpn(29), 0, -1, true)).toBe(OUTCOME.einval);
      expect(mmapFile(w.actor, w.mm, vpn(20), vpn(29), 0, 22, true)).toBe(OUTCOME.ok);
    });
    expect(seen.map((s) => [s.name, s.a, s.b])).toEqual([
      ['mmap.done', 4, 9],
      ['mmap.done', 20, 29],
    ]);
  });
});

describe('truncate', () => {
  /** 0-15 maps pages 0-15 of the file and 20-23 maps 14-17; nothing of the second is touched. */
  const twice = (w: World): void => {
    extend(w.actor, w.world, w.world.files[0], 18);
    mmapFile(w.actor, w.mm, vpn(0), vpn(15), 0, 0, true);
    mmapFile(w.actor, w.mm, vpn(20), vpn(23), 0, 14, true);
  };
  const file = (w: World) => w.world.files[0];

  it('lowers i_size, unmaps each VMA, empties the cache and frees, and unmaps again', () => {
    const w = touched({}, twice, [3, 12, 14]);
    const seen = traced(w.actor, () => expect(truncate(w.actor, w.world, file(w), 12)).toBe(OUTCOME.ok));
    expect(lines(seen)).toEqual([
      'truncate.enter',
      'truncate.sized',
      ...section(20, 23, 0),
      ...section(12, 15, 2),
      'truncate.pass1',
      'removed 12',
      'frame.freed',
      'removed 14',
      'frame.freed',
      ...section(20, 23, 0),
      ...section(12, 15, 0),
      'truncate.pass2',
    ]);
    expect(fileSize(w.actor, file(w))).toBe(12);
    expect(cpuAccess(w.actor, w.mm, vpn(12), false)).toBe(OUTCOME.sigbus);
    expect(cpuAccess(w.actor, w.mm, vpn(11), false)).toBe(OUTCOME.ok);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('unmaps, in sections of one page, what a fault has mapped again since pass 1', () => {
    const w = touched({}, twice, [14]);
    const pfn = pteFrame(ptePeek(w.mem, w.mm, vpn(14)));
    let again = 1;
    // At the end of pass 1's last section: a fault that had read i_size before it fell installs its entry now.
    w.mm.subscriptions.push({
      index: 0,
      rangeStart: () => OUTCOME.ok,
      rangeEnd(_actor, _section, start) {
        if (start !== 12 || again-- !== 1) return;
        getFrame(w.actors[1], w.mm.frames, pfn);
        expect(installPte(w.actors[1], w.mm, vpn(14), pfn, true, w.mem[w.mm.identityOf + 14])).toBe(true);
      },
      release() {},
    });
    mmuNotifierRegister(w.actor, w.mm, 0);
    const seen = lines(traced(w.actor, () => truncate(w.actor, w.world, file(w), 12)));
    const between = seen.slice(seen.indexOf('truncate.pass1') + 1, seen.indexOf('frame.freed') + 1);
    expect(between).toEqual([...section(20, 20, 0), ...section(14, 14, 1), 'removed 14', 'frame.freed']);
    expect(ptePeek(w.mem, w.mm, vpn(14))).toBe(0);
    expect(censusFrames(w.mem, w.world)).toEqual([]);
  });

  it('holds inode lock and invalidate_lock W and i_mmap R over its sections, but no mmap_lock', () => {
    const w = touched({}, twice, []);
    const seen = new Set<string>();
    inSection(w, (other) => {
      const f = file(w);
      const locks = [f.inodeLock, f.invalidateLock, f.iMmapRwsem, w.mm.mmapLock];
      seen.add(locks.map((l) => free(other, l)).join('|'));
      expect(fileSize(other, f)).toBe(2);
    });
    truncate(w.actor, w.world, file(w), 2);
    expect([...seen]).toEqual(['||R|RW']);
    for (const lock of [file(w).inodeLock, file(w).invalidateLock, file(w).iMmapRwsem])
      expect(free(w.actor, lock)).toBe('RW');
  });

  it('to the same or a larger size has nothing to unmap; outside it is EINVAL', () => {
    const w = touched({}, twice, [3]);
    expect(lines(traced(w.actor, () => truncate(w.actor, w.world, file(w), 18)))).toEqual(['truncate.enter']);
    truncate(w.actor, w.world, file(w), 20);
    expect(fileSize(w.actor, file(w))).toBe(20);
    expect(truncate(w.actor, w.world, file(w), 33)).toBe(OUTCOME.einval);
    expect(truncate(w.actor, w.world, file(w), -1)).toBe(OUTCOME.einval);
    expect(extend(w.actor, w.world, file(w), 33)).toBe(OUTCOME.einval);
  });

  it('and extend again: the pages come back, in new frames', () => {
    const w = touched({}, twice, [14]);
    truncate(w.actor, w.world, file(w), 0);
    expect(framesInUse(w.mem, w.mm.frames)).toBe(0);
    const seen = traced(w.actor, () => extend(w.actor, w.world, file(w), 18));
    expect(seen.map((s) => [s.name, s.a, s.b])).toEqual([['extend.done', 0, 18]]);
    extend(w.actor, w.world, file(w), 3);
    expect(fileSize(w.actor, file(w))).toBe(18);
    expect(cpuAccess(w.actor, w.mm, vpn(14), true)).toBe(OUTCOME.ok);
  });
});

describe('migration', () => {
  const PAGE = 3;
  const shown = (w: World): void => {
    extend(w.actor, w.world, w.world.files[0], 8);
    mmapFile(w.actor, w.mm, vpn(0), vpn(7), 0, 0, true);
  };
  const folioLock = (w: World, pfn: number) => at(frameAddr(w.mm.frames, pfn as Pfn), FRAME.folioLock);
  /** Frames whose folio lock another thread could not have now. */
  function locked(w: World, other: Actor): number[] {
    const found: number[] = [];
    for (let pfn = 1; pfn <= w.mm.frames.count; pfn++) {
      if (mutexTrylock(other, folioLock(w, pfn))) mutexUnlock(other, folioLock(w, pfn));
      else found.push(pfn);
    }
    return found;
  }
  const cached = (w: World): number => w.mem[w.world.files[0].pageCache + PAGE];

  it('holds both folio locks until entries lead to the new page', () => {
    const w = touched({}, shown, [PAGE]);
    const from = cached(w);
    let during: number[] = [];
    inSection(w, (other) => {
      during = locked(w, other);
    });
    expect(migrateRange(w.actor, w.mm, vpn(PAGE), vpn(PAGE))).toBe(1);
    expect(cached(w)).not.toBe(from);
    expect(during.toSorted()).toEqual([from, cached(w)].toSorted());
    expect(locked(w, w.actor)).toEqual([]);
    expect(pteFrame(ptePeek(w.mem, w.mm, vpn(PAGE)))).toBe(cached(w));
  });

  it('and reclaim leave the place of a page alone that another frame has', () => {
    const w = touched({}, shown, [PAGE]);
    const [file] = w.world.files as [World['world']['files'][number]];
    const there = cached(w);
    // As far as a frame gets that is about to be put into the cache: two references, and not found there.
    const other = allocFrame(w.actor, w.mm.frames, fileIdentity(0, PAGE), 2);
    expect(filemapRemoveUnused(w.actor, file, w.mm.frames, PAGE, other)).toBe(false);
    const next = allocFrame(w.actor, w.mm.frames, fileIdentity(0, PAGE));
    expect(filemapReplaceFolio(w.actor, file, w.mm.frames, PAGE, other, next)).toBe(false);
    expect(cached(w)).toBe(there);
    expect(w.mem[frameAddr(w.mm.frames, there as Pfn) + FRAME.inCache]).toBe(1);
  });
});
