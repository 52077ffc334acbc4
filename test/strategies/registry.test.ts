import { describe, expect, it } from 'vitest';
import { ENTRY_PINNED, ENTRY_WRITE } from '../../src/hca/device.ts';
import { OUTCOME } from '../../src/mm/outcome.ts';
import { auditLeaks } from '../../src/oracles/leak.ts';
import { ORACLE_NAMES } from '../../src/oracles/names.ts';
import { auditMappings } from '../../src/oracles/stale-mapping.ts';
import { findStrategy, STRATEGIES } from '../../src/strategies/index.ts';
import { pinned } from '../../src/strategies/pinned.ts';
import { attachWorld, layoutWorld } from '../../src/world/world.ts';
import {
  auditOf,
  bedPlan,
  counter,
  createBed,
  deregister,
  dma,
  entryOf,
  fired,
  madvise,
  register,
  touch,
} from '../oracles/fixture.ts';

const [T1, T2, , T4] = [0, 1, 2, 3] as const;

describe('the registry', () => {
  it('finds each design by its name, and nothing else', () => {
    for (const strategy of STRATEGIES) expect(findStrategy(strategy.name)).toBe(strategy);
    expect(findStrategy('no-such-design')).toBeUndefined();
    expect(new Set(STRATEGIES.map((s) => s.name)).size).toBe(STRATEGIES.length);
  });

  it.each(STRATEGIES)('$name says who it is and what it earns', (strategy) => {
    expect(strategy.name).toMatch(/^[a-z]+(-[a-z]+)*$/);
    for (const text of [strategy.title, strategy.origin, strategy.reasoning]) expect(text.length).toBeGreaterThan(10);
    const defaults = Object.fromEntries(Object.entries(strategy.params).map(([name, spec]) => [name, spec.default]));
    for (const rmap of [false, true]) {
      const { must, may, reason } = strategy.expected('v5.5', { rmap }, defaults);
      expect(reason.length).toBeGreaterThan(10);
      for (const name of [...must, ...may]) expect(ORACLE_NAMES).toContain(name);
      expect(must.filter((name) => may.includes(name))).toEqual([]);
    }
  });

  it.each(STRATEGIES)('$name is laid out by its name as it is when given', (strategy) => {
    const plan = { ...bedPlan(), strategy: strategy.name };
    const layout = layoutWorld(plan);
    expect(layoutWorld(bedPlan(), strategy)).toEqual(layout);
    expect(attachWorld(plan, new SharedArrayBuffer(layout.words * 4)).strategy).toBe(strategy);
  });

  it('refuses a name that it does not know', () => {
    expect(() => layoutWorld(bedPlan())).toThrow(/no strategy 'given'/);
  });
});

describe('pinned', () => {
  it('reaches every page from the first moment, and keeps the old one when the CPU lets it go', () => {
    const bed = createBed(pinned);
    touch(bed, T4, 4);
    const key = register(bed, T2, 4, 2);
    for (const page of [0, 1])
      expect(entryOf(bed, key, page) & (ENTRY_PINNED | ENTRY_WRITE)).toBe(ENTRY_PINNED | ENTRY_WRITE);
    const before = entryOf(bed, key, 0);
    madvise(bed, T1, 4, 5);
    expect(entryOf(bed, key, 0)).toBe(before);
    touch(bed, T4, 4);
    expect(dma(bed, T4, key, 0, true)).toBe(OUTCOME.ok);
    auditMappings(bed.supervisor, bed.world.oracles);
    expect(counter(bed, 'audit.incoherentPinned')).toBe(2);
    expect(auditOf(bed, key)).toEqual({});
    deregister(bed, T2, key);
    auditLeaks(bed.supervisor, bed.world.oracles);
    expect(fired(bed)).toEqual({});
  });
});
