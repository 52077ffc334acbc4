import fc from 'fast-check';
import { expect, it } from 'vitest';
import { slabInUse } from '../../src/memory/slab.ts';
import { censusFrames } from '../../src/mm/census.ts';
import { cpuAccess, getUserPage } from '../../src/mm/fault.ts';
import { fileSize } from '../../src/mm/file.ts';
import { fileIdentity, framesInUse, putFrame, stampRead } from '../../src/mm/frame.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import type { Mm } from '../../src/mm/mm.ts';
import { mmapAnon, mmapFile } from '../../src/mm/mmap.ts';
import { munmap } from '../../src/mm/munmap.ts';
import { OUTCOME, type Outcome } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek, ptePresent } from '../../src/mm/page-table.ts';
import { extend, truncate } from '../../src/mm/truncate.ts';
import { downRead, upRead } from '../../src/sync/rw-semaphore.ts';
import { createWorld, recordingObserver, vpn, type World } from './fixture.ts';

const SEED = 20141117;
const MMS = 2;
const PAGES = 24;
const FILES = [{ pages: 16 }, { pages: 8 }];

interface ModelPage {
  readonly write: boolean;
  /** Null for anonymous memory. */
  readonly file: number | null;
  readonly index: number;
  readonly identity: number;
  present: boolean;
}

/** What the memory should look like, kept page by page. */
class Model {
  readonly pages: (ModelPage | null)[][] = Array.from({ length: MMS }, () => new Array(PAGES).fill(null));
  readonly sizes = FILES.map(() => 0);
  readonly cached = FILES.map(() => new Set<number>());
  readonly next = Array.from({ length: MMS }, (_, i) => 1 + i * Math.floor((2 ** 30 - 1) / MMS));

  inside(a: number, b: number): boolean {
    return a <= b && b < PAGES;
  }

  map(mm: number, a: number, b: number, write: boolean, file: number | null, pgoff: number): Outcome {
    if (file !== null && pgoff + b - a >= FILES[file].pages) return OUTCOME.einval;
    if (!this.inside(a, b) || this.pages[mm].slice(a, b + 1).some((p) => p !== null)) return OUTCOME.einval;
    for (let p = a; p <= b; p++) {
      const index = pgoff + p - a;
      const identity = file === null ? this.next[mm] + p - a : fileIdentity(file, index);
      this.pages[mm][p] = { write, file, index, identity, present: false };
    }
    if (file === null) this.next[mm] += b - a + 1;
    return OUTCOME.ok;
  }

  unmap(mm: number, a: number, b: number): Outcome {
    if (!this.inside(a, b)) return OUTCOME.einval;
    this.pages[mm].fill(null, a, b + 1);
    return OUTCOME.ok;
  }

  dontneed(mm: number, a: number, b: number): Outcome {
    if (!this.inside(a, b)) return OUTCOME.einval;
    const range = this.pages[mm].slice(a, b + 1);
    for (const p of range) if (p !== null) p.present = false;
    return range.includes(null) ? OUTCOME.enomem : OUTCOME.ok;
  }

  touch(mm: number, page: number, write: boolean): Outcome {
    const p = this.pages[mm][page] ?? null;
    if (p === null || (write && !p.write)) return OUTCOME.efault;
    if (p.present) return OUTCOME.ok;
    if (p.file !== null) {
      if (p.index >= this.sizes[p.file]) return OUTCOME.sigbus;
      this.cached[p.file].add(p.index);
    }
    p.present = true;
    return OUTCOME.ok;
  }

  resize(file: number, size: number, truncating: boolean): Outcome {
    if (size > FILES[file].pages) return OUTCOME.einval;
    if (size < this.sizes[file] && !truncating) return OUTCOME.ok;
    this.sizes[file] = size;
    for (const index of [...this.cached[file]]) if (index >= size) this.cached[file].delete(index);
    for (const p of this.pages.flat()) if (p?.file === file && p.index >= size) p.present = false;
    return OUTCOME.ok;
  }
}

const mmId = fc.nat(MMS - 1);
const page = fc.nat(PAGES);
const range = fc.tuple(page, fc.nat(10)).map(([a, n]) => [a, a + n] as const);
const operation = fc.oneof(
  fc.record({ op: fc.constant('anon' as const), mm: mmId, range, write: fc.boolean() }),
  fc.record({
    op: fc.constant('file' as const),
    mm: mmId,
    range,
    write: fc.boolean(),
    file: fc.nat(1),
    pgoff: fc.nat(10),
  }),
  fc.record({ op: fc.constant('munmap' as const), mm: mmId, range }),
  fc.record({ op: fc.constant('madvise' as const), mm: mmId, range }),
  fc.record({ op: fc.constant('truncate' as const), file: fc.nat(1), size: fc.nat(17) }),
  fc.record({ op: fc.constant('extend' as const), file: fc.nat(1), size: fc.nat(17) }),
  { arbitrary: fc.record({ op: fc.constant('touch' as const), mm: mmId, page, write: fc.boolean() }), weight: 4 },
  { arbitrary: fc.record({ op: fc.constant('gup' as const), mm: mmId, page, write: fc.boolean() }), weight: 2 },
);
type Operation = typeof operation extends fc.Arbitrary<infer T> ? T : never;

function gup(w: World, mm: Mm, at: number, write: boolean): Outcome {
  downRead(w.actor, mm.mmapLock);
  const outcome = getUserPage(w.actor, mm, vpn(at), write);
  upRead(w.actor, mm.mmapLock);
  if (outcome === OUTCOME.ok) {
    expect(stampRead(w.mem, mm.frames, w.actor.gupPfn)).toBe(w.actor.gupIdentity);
    putFrame(w.actor, mm.frames, w.actor.gupPfn);
  }
  return outcome;
}

/** Does one operation in both; returns both outcomes. */
function run(w: World, model: Model, o: Operation): [Outcome, Outcome] {
  const { actor, world } = w;
  if (o.op === 'truncate')
    return [truncate(actor, world, world.files[o.file], o.size), model.resize(o.file, o.size, true)];
  if (o.op === 'extend')
    return [extend(actor, world, world.files[o.file], o.size), model.resize(o.file, o.size, false)];
  const mm = world.mms[o.mm];
  if (o.op === 'touch') return [cpuAccess(actor, mm, vpn(o.page), o.write), model.touch(o.mm, o.page, o.write)];
  if (o.op === 'gup') return [gup(w, mm, o.page, o.write), model.touch(o.mm, o.page, o.write)];
  const [a, b] = o.range;
  if (o.op === 'anon') return [mmapAnon(actor, mm, vpn(a), vpn(b), o.write), model.map(o.mm, a, b, o.write, null, 0)];
  if (o.op === 'file')
    return [
      mmapFile(actor, mm, vpn(a), vpn(b), o.file, o.pgoff, o.write),
      model.map(o.mm, a, b, o.write, o.file, o.pgoff),
    ];
  if (o.op === 'munmap') return [munmap(actor, mm, vpn(a), vpn(b)), model.unmap(o.mm, a, b)];
  return [madviseDontneed(actor, mm, vpn(a), vpn(b)), model.dontneed(o.mm, a, b)];
}

function compare(w: World, model: Model): void {
  const { mem, world } = w;
  let anonymous = 0;
  world.mms.forEach((mm, i) => {
    for (let p = 0; p < PAGES; p++) {
      const expected = model.pages[i][p];
      const pte = ptePeek(mem, mm, vpn(p));
      expect([mem[mm.vmaOf + p] !== 0, ptePresent(pte)], `mm ${i} page ${p}`).toEqual([
        expected !== null,
        expected?.present ?? false,
      ]);
      if (!ptePresent(pte)) continue;
      expect(stampRead(mem, mm.frames, pteFrame(pte)), `mm ${i} page ${p}`).toBe(expected!.identity);
      if (expected!.file === null) anonymous++;
    }
  });
  world.files.forEach((file, i) => {
    expect(fileSize(w.actor, file)).toBe(model.sizes[i]);
    const cached = new Set<number>();
    for (let k = 0; k < file.maxPages; k++) if (mem[file.pageCache + k] !== 0) cached.add(k);
    expect(cached).toEqual(model.cached[i]);
  });
  expect(framesInUse(mem, world.frames)).toBe(anonymous + model.cached[0].size + model.cached[1].size);
  expect(censusFrames(mem, world)).toEqual([]);
}

it(`random operations agree with a naive model (seed ${SEED})`, () => {
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 60 }), (operations) => {
      const observer = recordingObserver();
      const w = createWorld({ mms: MMS, pagesPerMm: PAGES, files: FILES, vmas: 64, ptesPerTable: 4, observer });
      const model = new Model();
      for (const o of operations) {
        const [found, expected] = run(w, model, o);
        expect(found, JSON.stringify(o)).toBe(expected);
        compare(w, model);
      }
      for (const mm of w.world.mms) munmap(w.actor, mm, vpn(0), vpn(PAGES - 1));
      for (const file of w.world.files) truncate(w.actor, w.world, file, 0);
      expect(framesInUse(w.mem, w.world.frames)).toBe(0);
      expect(slabInUse(w.mem, w.world.slabs.vma)).toBe(0);
      expect(observer.log.filter((line) => !/^(started|ending)/.test(line))).toEqual([]);
    }),
    { seed: SEED, numRuns: 150 },
  );
});
