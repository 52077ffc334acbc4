import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ENTRY_GENERATION_MASK, ENTRY_PINNED, entryFrame, entryGeneration } from '../../src/hca/device.ts';
import { frameGeneration } from '../../src/mm/frame.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { pteFrame, ptePeek, ptePresent } from '../../src/mm/page-table.ts';
import type { Strategy } from '../../src/odp/strategy.ts';
import { umemExt } from '../../src/odp/umem.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import { ACTIVATION, deferredActivation } from '../../src/strategies/deferred-activation.ts';
import { heldRwsem } from '../../src/strategies/held-rwsem.ts';
import { intervalNotifier } from '../../src/strategies/interval-notifier.ts';
import { mmapWrite } from '../../src/strategies/mmap-write.ts';
import { pinned } from '../../src/strategies/pinned.ts';
import { poolOverflow } from '../../src/strategies/pool-overflow.ts';
import { privateCount } from '../../src/strategies/private-count.ts';
import { privateCountClamped } from '../../src/strategies/private-count-clamped.ts';
import { rangeAlloc } from '../../src/strategies/range-alloc.ts';
import { rangePool } from '../../src/strategies/range-pool.ts';
import { rangeStack } from '../../src/strategies/range-stack.ts';
import { rangeUnion } from '../../src/strategies/range-union.ts';
import { takeAllLocks } from '../../src/strategies/take-all-locks.ts';
import { downRead, rwsemReaders, upRead } from '../../src/sync/rw-semaphore.ts';
import {
  auditOf,
  type Bed,
  createBed,
  deregister,
  dma,
  entryOf,
  faultOnce,
  fired,
  register,
  sectionClear,
  sectionEnd,
  sectionStart,
  touch,
} from '../oracles/fixture.ts';

const SEED = 20140917;
const PAGES = 8;
const SECTIONS = [0, 1, 2];
const REGISTRAR = 3;
const FAULTERS = [4, 5];
const CPU = 6;
const REGION_PAGES = 4;

/**
 * One step of one actor. A section is three steps, a registration one; a fault is one with a gap in its middle, between the page and
 * the check, in which other steps run.
 */
type Move =
  | { readonly kind: 'section'; readonly actor: number; readonly start: number; readonly pages: number }
  | { readonly kind: 'register'; readonly start: number; readonly pages: number }
  | { readonly kind: 'deregister'; readonly which: number }
  | {
      readonly kind: 'fault';
      readonly actor: number;
      readonly which: number;
      readonly page: number;
      readonly gap: number;
    }
  | { readonly kind: 'touch' | 'dma'; readonly which: number; readonly page: number };

const small = fc.nat(PAGES - 1);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('section' as const),
      actor: fc.nat(SECTIONS.length - 1),
      start: small,
      pages: fc.integer({ min: 1, max: 4 }),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({
      kind: fc.constant('register' as const),
      start: small,
      pages: fc.integer({ min: 1, max: REGION_PAGES }),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('deregister' as const), which: fc.nat(9) }) },
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant('fault' as const),
      actor: fc.nat(FAULTERS.length - 1),
      which: fc.nat(9),
      page: fc.nat(REGION_PAGES - 1),
      gap: fc.nat(5),
    }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ kind: fc.constantFrom('touch' as const, 'dma' as const), which: fc.nat(9), page: small }),
  },
);
const moves = fc.array(move, { minLength: 1, maxLength: 60 });

interface Region {
  readonly key: number;
  readonly start: number;
  readonly pages: number;
}
interface Section {
  readonly start: number;
  readonly last: number;
  cleared: boolean;
}

/** Runs a list of moves, and says what rule they break: "between start and end no entry in the range, at rest none stale". */
class Run {
  readonly bed: Bed;
  readonly holdsMmapLock: boolean;
  readonly regions: Region[] = [];
  readonly sections: (Section | null)[] = SECTIONS.map(() => null);
  /** Nesting of faults; a removal must not come inside one, as it would wait for it. */
  depth = 0;
  broken = '';

  constructor(strategy: Strategy, holdsMmapLock: boolean) {
    this.bed = createBed(strategy, { threads: 8, mrs: 8 });
    this.holdsMmapLock = holdsMmapLock;
  }

  all(list: readonly Move[]): string {
    const left = [...list];
    while (left.length > 0 && this.broken === '') this.one(left);
    if (this.broken === '') this.rest();
    return this.broken;
  }

  one(left: Move[]): void {
    const next = left.shift()!;
    switch (next.kind) {
      case 'section':
        this.section(next.actor, next.start, Math.min(next.start + next.pages, PAGES) - 1);
        break;
      case 'register':
        this.register(next.start, Math.min(next.pages, PAGES - next.start));
        break;
      case 'deregister':
        this.deregister(next.which);
        break;
      case 'fault':
        this.fault(FAULTERS[next.actor]!, next.which, next.page, left, next.gap);
        break;
      default:
        this.access(next.kind, next.which, next.page);
    }
    this.check();
  }

  section(actor: number, start: number, last: number): void {
    const { bed } = this;
    const tid = SECTIONS[actor]!;
    const { mmapLock } = bed.world.mm.mms[0]!;
    const running = this.sections[actor];
    if (running === null || running === undefined) {
      if (this.holdsMmapLock) downRead(bed.actors[tid]!, mmapLock);
      sectionStart(bed, tid, start, last);
      this.sections[actor] = { start, last, cleared: false };
    } else if (!running.cleared) {
      sectionClear(bed, tid, running.start, running.last);
      running.cleared = true;
    } else {
      // From here on the page may be mapped again, so the rule ends before the end does.
      this.sections[actor] = null;
      sectionEnd(bed, tid);
      if (this.holdsMmapLock) upRead(bed.actors[tid]!, mmapLock);
    }
  }

  register(start: number, pages: number): void {
    const { bed } = this;
    // A registration that takes mmap_lock for writing would wait for whoever reads.
    const { registerLocks, keepsOut } = bed.ctx.strategy;
    const mode = registerLocks('v5.5');
    const writes = mode === 'write' || mode === 'all';
    if (writes && rwsemReaders(bed.world.mem, bed.world.mm.mms[0]!.mmapLock) > 0) return;
    // And one that keeps out of sections by itself, for whoever is in one.
    if (!writes && keepsOut === true && this.sections.some((s) => s !== null)) return;
    const key = register(bed, REGISTRAR, start, pages);
    if (key !== 0) this.regions.push({ key, start, pages });
  }

  deregister(which: number): void {
    // A removal may have to wait for a section, or for a fault that handles the same region.
    if (this.depth > 0 || this.regions.length === 0 || this.sections.some((s) => s !== null)) return;
    const [region] = this.regions.splice(which % this.regions.length, 1);
    deregister(this.bed, REGISTRAR, region!.key);
  }

  fault(tid: number, which: number, page: number, left: Move[], gap: number): void {
    const region = this.regions[which % Math.max(this.regions.length, 1)];
    // One thread handles one fault at a time.
    if (region === undefined || page >= region.pages || this.depth >= FAULTERS.length || this.busy.has(tid)) return;
    this.busy.add(tid);
    this.depth++;
    const cancel = this.bed.at(tid, 'fault.gotPages', () => {
      for (let i = 0; i < gap && left.length > 0 && this.broken === ''; i++) this.one(left);
    });
    faultOnce(this.bed, tid, region.key, page);
    cancel();
    this.depth--;
    this.busy.delete(tid);
  }
  readonly busy = new Set<number>();

  access(kind: 'touch' | 'dma', which: number, page: number): void {
    const region = this.regions[which % Math.max(this.regions.length, 1)];
    if (kind === 'touch') touch(this.bed, CPU, page);
    else if (region !== undefined && page < region.pages) dma(this.bed, CPU, region.key, page, (which & 1) !== 0);
  }

  check(): void {
    for (const section of this.sections) {
      if (section === null) continue;
      for (const { key, start, pages } of this.regions)
        for (let page = 0; page < pages; page++) {
          const vpn = start + page;
          const entry = entryOf(this.bed, key, page);
          if (vpn < section.start || vpn > section.last || entry === 0 || (entry & ENTRY_PINNED) !== 0) continue;
          this.broken ||= `page ${vpn} is reached inside section ${section.start}..${section.last}`;
        }
    }
  }

  /** Ends what runs, then looks at everything. */
  rest(): void {
    for (const actor of SECTIONS.keys()) while (this.sections[actor] !== null) this.section(actor, 0, 0);
    const { mem, mm } = this.bed.world;
    for (const { key, start, pages } of this.regions)
      for (let page = 0; page < pages; page++) {
        const entry = entryOf(this.bed, key, page);
        if (entry === 0 || (entry & ENTRY_PINNED) !== 0) continue;
        const pte = ptePeek(mem, mm.mms[0]!, (start + page) as never);
        const generation = frameGeneration(this.bed.supervisor, mm.frames, entryFrame(entry)) & ENTRY_GENERATION_MASK;
        if (!ptePresent(pte) || pteFrame(pte) !== entryFrame(entry) || generation !== entryGeneration(entry))
          this.broken ||= `at rest page ${start + page} is stale`;
      }
  }

  /** Every region can be faulted in once all is quiet, and the design's own values say so. */
  aftermath(): string {
    for (const { key, pages } of this.regions) {
      const values = JSON.stringify({ ...auditOf(this.bed), ...auditOf(this.bed, key) });
      if (values !== '{}') return `at rest: ${values}`;
      for (let page = 0; page < pages; page++)
        if (entryOf(this.bed, key, page) === 0 && faultOnce(this.bed, FAULTERS[0]!, key, page) !== OUTCOME.ok)
          return 'a fault is refused although nothing runs';
    }
    for (const { key } of this.regions.splice(0)) deregister(this.bed, REGISTRAR, key);
    return '';
  }
}

/** A design with other defaults. */
function withParams(strategy: Strategy, values: Readonly<Record<string, number>>): Strategy {
  const params = { ...strategy.params };
  for (const [name, value] of Object.entries(values)) params[name] = { ...params[name]!, default: value };
  return { ...strategy, params, name: `${strategy.name} ${JSON.stringify(values)}` };
}
/** deferred-activation with the one question more: a fault on a region without counters does not begin. */
const REPAIRED: Strategy = {
  ...deferredActivation,
  name: 'deferred-activation, sampled only when active',
  faultBegin: (actor, ctx, umem) =>
    actor.mem[umemExt(umem) + ACTIVATION.active] === 0 ? -1 : deferredActivation.faultBegin(actor, ctx, umem),
};
const POOLS = [0, 1, 2, 256].map((size) => withParams(poolOverflow, { size }));

describe.each([true, false])('with mmap_lock held by sections: %s', (holdsMmapLock) => {
  const always = [
    contextCount,
    rangePool,
    rangeAlloc,
    rangeStack,
    ...POOLS,
    intervalNotifier,
    heldRwsem,
    rangeUnion,
    pinned,
  ];
  const safe = holdsMmapLock ? [...always, mmapWrite, takeAllLocks, REPAIRED] : [...always, REPAIRED];

  it.each(safe)('$name is safe in every order of steps, and no oracle has anything to say', (strategy) => {
    fc.assert(
      fc.property(moves, (list) => {
        const run = new Run(strategy, holdsMmapLock);
        expect(run.all(list)).toBe('');
        expect(run.aftermath()).toBe('');
        expect(fired(run.bed)).toEqual({});
      }),
      { seed: SEED, numRuns: 400 },
    );
  });

  const never = [
    privateCount,
    privateCountClamped,
    withParams(rangeAlloc, { failEvery: 2 }),
    withParams(rangeAlloc, { size: 1 }),
  ];
  // The sections here hold no i_mmap_rwsem: without mmap_lock they are not what take-all-locks reckons with.
  const unsafe = holdsMmapLock ? never : [...never, mmapWrite, takeAllLocks];

  it.each(unsafe)('$name breaks the rule in some order, and then an oracle says so', (strategy) => {
    const found = fc.check(
      fc.property(moves, (list) => new Run(strategy, holdsMmapLock).all(list) === ''),
      { seed: SEED, numRuns: 3000 },
    );
    expect(found.failed, `seed ${SEED}: no counterexample in ${found.numRuns} runs`).toBe(true);
    // The same order once more, to its end: sections end, so the oracles look.
    const [list] = found.counterexample!;
    const run = new Run(strategy, holdsMmapLock);
    const broken = run.all(list);
    expect(broken).not.toBe('');
    run.rest();
    expect(fired(run.bed), broken).toHaveProperty('entry-in-section');
  });

  it('deferred-activation leaves a page stale in some order, and lets none in while a section runs', () => {
    // The last section that runs when the region is born must end inside a fault on a page that was there before it: too seldom
    // met by chance, so the lists begin with what it takes, and the rest is left to chance.
    const begun = fc.record({ start: small, pages: fc.integer({ min: 1, max: 3 }) }).map(({ start, pages }): Move[] => [
      { kind: 'register', start, pages },
      { kind: 'touch', which: 0, page: start },
      { kind: 'section', actor: 0, start, pages },
      { kind: 'register', start, pages },
    ]);
    const lists = fc.tuple(begun, moves).map(([first, rest]) => [...first, ...rest]);
    const found = fc.check(
      fc.property(lists, (list) => new Run(deferredActivation, holdsMmapLock).all(list) === ''),
      { seed: SEED, numRuns: 3000 },
    );
    expect(found.failed, `seed ${SEED}: no counterexample in ${found.numRuns} runs`).toBe(true);
    const [list] = found.counterexample!;
    const run = new Run(deferredActivation, holdsMmapLock);
    expect(run.all(list)).toMatch(/^at rest page \d+ is stale$/);
    auditMappings(run.bed.supervisor, run.bed.world.oracles);
    expect(Object.keys(fired(run.bed))).toContain('stale-mapping');
    expect(Object.keys(fired(run.bed))).not.toContain('entry-in-section');
    // The same order, with the one question more.
    expect(new Run(REPAIRED, holdsMmapLock).all(list)).toBe('');
  });
});
