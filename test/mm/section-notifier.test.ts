import { describe, expect, it } from 'vitest';
import type { Addr } from '../../src/memory/address.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import type { Mm } from '../../src/mm/mm.ts';
import { mmapAnon } from '../../src/mm/mmap.ts';
import {
  invalidateRangeEnd,
  invalidateRangeStart,
  isSectionActive,
  mmuNotifierRegister,
  mmuNotifierRelease,
  mmuNotifierUnregister,
  SECTION,
  SECTION_EVENT,
  type Subscription,
  sectionsBegun,
  sectionsOverlapping,
} from '../../src/mm/notifier.ts';
import { OUTCOME, type Outcome } from '../../src/mm/outcome.ts';
import { MM_TASK, mmTaskAddr, sectionDepth } from '../../src/mm/section.ts';
import { HISTOGRAM } from '../../src/trace/counters.ts';
import { HISTOGRAM_DOUBLES, quantilesOf, sumHistograms } from '../../src/trace/histogram.ts';
import { counter, createWorld, names, recordingObserver, traced, vpn, type World } from './fixture.ts';

function subscribe(mm: Mm, log: string[], index: number, answer: () => Outcome = () => OUTCOME.ok): Subscription {
  const subscription: Subscription = {
    index,
    rangeStart(_actor, _section, start, last, blockable) {
      log.push(`${index} start ${start}-${last}${blockable ? '' : ' nonblock'}`);
      return answer();
    },
    rangeEnd(_actor, _section, start, last) {
      log.push(`${index} end ${start}-${last}`);
    },
    release: () => void log.push(`${index} release`),
  };
  mm.subscriptions.push(subscription);
  return subscription;
}

const depth = (w: World, tid = 0): number => sectionDepth(w.mem[mmTaskAddr(w.world, tid) + MM_TASK.stack]);
const start = (w: World, a: number, b: number, blockable = true, tid = 0): Outcome =>
  invalidateRangeStart(w.actors[tid], w.mm, vpn(a), vpn(b), SECTION_EVENT.clear, blockable);
const end = (w: World, tid = 0): void => invalidateRangeEnd(w.actors[tid], w.mm);

describe('a section', () => {
  it('calls start, then end, of who is subscribed, and only of those', () => {
    const w = createWorld();
    const log: string[] = [];
    subscribe(w.mm, log, 0);
    subscribe(w.mm, log, 1);
    mmuNotifierRegister(w.actor, w.mm, 1);
    start(w, 2, 5);
    end(w);
    mmuNotifierRegister(w.actor, w.mm, 0);
    mmuNotifierUnregister(w.actor, w.mm, 1);
    start(w, 7, 7);
    end(w);
    mmuNotifierRelease(w.actor, w.mm);
    expect(log).toEqual(['1 start 2-5', '1 end 2-5', '0 start 7-7', '0 end 7-7', '0 release']);
    expect(counter(w.actor, 'op.section')).toBe(2);
  });

  it('is seen by others from before the first start callback until after the last end callback', () => {
    const w = createWorld({ threads: 2 });
    const seen: [string, number, number][] = [];
    const look = (what: string): void => {
      const other = w.actors[1];
      seen.push([
        what,
        sectionsOverlapping(other, w.mm, vpn(5), vpn(9)),
        sectionsOverlapping(other, w.mm, vpn(6), vpn(9)),
      ]);
    };
    w.mm.subscriptions.push({
      index: 0,
      rangeStart: () => {
        look('start');
        return OUTCOME.ok;
      },
      rangeEnd: () => look('end'),
      release() {},
    });
    mmuNotifierRegister(w.actor, w.mm, 0);
    const begun = sectionsBegun(w.actor, w.world);
    look('before');
    start(w, 2, 5);
    expect(isSectionActive(w.actors[1], w.mm)).toBe(true);
    end(w);
    look('after');
    expect(isSectionActive(w.actors[1], w.mm)).toBe(false);
    expect(sectionsBegun(w.actor, w.world)).toBe(begun + 1);
    expect(seen).toEqual([
      ['before', 0, 0],
      ['start', 1, 0],
      ['end', 1, 0],
      ['after', 0, 0],
    ]);
  });

  it('tells the observer of its end before any end callback runs', () => {
    const observer = recordingObserver();
    const w = createWorld({ observer });
    subscribe(w.mm, observer.log, 0);
    mmuNotifierRegister(w.actor, w.mm, 0);
    start(w, 1, 2);
    end(w);
    expect(observer.log).toEqual(['0 start 1-2', 'start 0', 'started 0 1-2', 'ending 0 1-2', '0 end 1-2', 'end 0']);
  });

  it('calls end of one that subscribed in mid-section', () => {
    const observer = recordingObserver();
    const w = createWorld({ observer });
    const log: string[] = [];
    subscribe(w.mm, log, 0);
    start(w, 1, 2);
    mmuNotifierRegister(w.actor, w.mm, 0);
    end(w);
    expect(log).toEqual(['0 end 1-2']);
    expect(observer.log).toContain('end 0');
  });

  it('emits its points in order, with one cookie', () => {
    const w = createWorld();
    const seen = traced(w.actor, () => {
      start(w, 3, 4);
      end(w);
    });
    expect(names(seen)).toEqual(['section.starting', 'section.started', 'section.ending', 'section.ended']);
    expect(new Set(seen.map((s) => `${s.a} ${s.b} ${s.c}`)).size).toBe(1);
    const next = traced(w.actor, () => {
      start(w, 3, 4);
      end(w);
    });
    expect(next[0].c).not.toBe(seen[0].c);
    const base = w.actor.histograms + HISTOGRAM.section * HISTOGRAM_DOUBLES;
    expect(quantilesOf(sumHistograms(w.actor.f64, [base])).count).toBe(2);
  });

  it('may be nested, up to a bound, and is counted as nested and as overlapping', () => {
    const w = createWorld({ threads: 2 });
    start(w, 0, 9);
    start(w, 5, 5);
    expect(counter(w.actor, 'exposure.nestedSection')).toBe(1);
    expect(sectionsOverlapping(w.actors[1], w.mm, vpn(5), vpn(5))).toBe(2);
    expect(counter(w.actor, 'exposure.overlappingSections')).toBe(0);
    start(w, 9, 20, true, 1);
    start(w, 21, 22, true, 1);
    expect(counter(w.actors[1], 'exposure.overlappingSections')).toBe(1);
    end(w);
    expect(sectionsOverlapping(w.actors[1], w.mm, vpn(5), vpn(5))).toBe(1);
    end(w);
    end(w, 1);
    end(w, 1);
    expect(isSectionActive(w.actor, w.mm)).toBe(false);
    for (let i = 0; i < 4; i++) start(w, i, i);
    expect(() => start(w, 4, 4)).toThrow(RangeError);
  });

  it('of another mm does not overlap', () => {
    const w = createWorld({ mms: 2 });
    start(w, 0, 9);
    expect(sectionsOverlapping(w.actor, w.world.mms[1], vpn(0), vpn(63))).toBe(0);
    expect(isSectionActive(w.actor, w.world.mms[1])).toBe(false);
    end(w);
  });

  it('has words of the strategy behind it, the same from start to end, kept apart when nested', () => {
    const w = createWorld({ extraSectionWords: 3 });
    const seen: [Addr, number][] = [];
    w.mm.subscriptions.push({
      index: 0,
      rangeStart(actor, section, first) {
        actor.mem[section + SECTION.$words + 2] = first * 10;
        return OUTCOME.ok;
      },
      rangeEnd: (actor, section) => void seen.push([section, actor.mem[section + SECTION.$words + 2]]),
      release() {},
    });
    mmuNotifierRegister(w.actor, w.mm, 0);
    start(w, 1, 8);
    start(w, 2, 8);
    start(w, 3, 8);
    for (let i = 0; i < 3; i++) end(w);
    expect(seen.map(([, word]) => word)).toEqual([30, 20, 10]);
    expect(new Set(seen.map(([section]) => section)).size).toBe(3);
  });
});

describe('a start that answers EAGAIN', () => {
  it('ends those that had started, not the refuser nor those behind it, and leaves no section', () => {
    const observer = recordingObserver();
    const w = createWorld({ observer });
    const log: string[] = [];
    let refuse = true;
    subscribe(w.mm, log, 0);
    subscribe(w.mm, log, 1, () => (refuse ? OUTCOME.eagain : OUTCOME.ok));
    subscribe(w.mm, log, 2);
    for (let i = 0; i < 3; i++) mmuNotifierRegister(w.actor, w.mm, i);
    const seen = traced(w.actor, () => expect(start(w, 4, 6, false)).toBe(OUTCOME.eagain));
    expect(log).toEqual(['0 start 4-6 nonblock', '1 start 4-6 nonblock', '0 end 4-6']);
    expect(observer.log).toEqual(['start 0', 'eagain 1', 'end 0']);
    expect(names(seen)).toEqual(['section.starting', 'section.refused']);
    expect(depth(w)).toBe(0);
    expect(counter(w.actor, 'op.section')).toBe(0);
    refuse = false;
    log.length = 0;
    expect(start(w, 4, 6, false)).toBe(OUTCOME.ok);
    end(w);
    expect(log.slice(3)).toEqual(['0 end 4-6', '1 end 4-6', '2 end 4-6']);
  });

  it('inside another section leaves that one alone', () => {
    const w = createWorld();
    const log: string[] = [];
    let refuse = false;
    subscribe(w.mm, log, 0, () => (refuse ? OUTCOME.eagain : OUTCOME.ok));
    mmuNotifierRegister(w.actor, w.mm, 0);
    start(w, 0, 9);
    refuse = true;
    expect(start(w, 5, 5, false)).toBe(OUTCOME.eagain);
    expect(depth(w)).toBe(1);
    end(w);
    expect(log).toEqual(['0 start 0-9', '0 start 5-5 nonblock', '0 end 0-9']);
  });
});

it('an operation opens its section over the whole range even when nothing is mapped there', () => {
  const w = createWorld();
  const log: string[] = [];
  subscribe(w.mm, log, 0);
  mmuNotifierRegister(w.actor, w.mm, 0);
  mmapAnon(w.actor, w.mm, vpn(0), vpn(40), true);
  madviseDontneed(w.actor, w.mm, vpn(5), vpn(30));
  expect(log).toEqual(['0 start 5-30', '0 end 5-30']);
});
