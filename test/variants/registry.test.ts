import { describe, expect, it } from 'vitest';
import { ORACLE_NAMES } from '../../src/oracles/names.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import { FAMILIES, VARIANTS } from '../../src/variants/index.ts';
import { shippedFile } from './shipped-file.ts';

describe('the known bugs', () => {
  it('are at least sixteen, of all nine families', () => {
    expect(VARIANTS.length).toBeGreaterThanOrEqual(16);
    expect(new Set(VARIANTS.map(({ family }) => family))).toEqual(new Set(FAMILIES));
  });

  it('have names of their own', () => {
    const names = [...STRATEGIES.map(({ name }) => name), ...VARIANTS.map(({ strategy }) => strategy.name)];
    expect(new Set(names).size).toBe(names.length);
  });

  it.each(
    VARIANTS.map((variant) => [variant.strategy.name, variant] as const),
  )('%s: its litmus is there and takes it', (name, variant) => {
    const [plan] = resolveCells(loadScenario(shippedFile(`variants/${variant.litmus}.yaml`)), { strategies: [name] });
    expect(plan!.strategy).toBe(name);
    expect(STRATEGIES.map((strategy) => strategy.name)).toContain(variant.base);
    for (const oracle of variant.oracles) expect(ORACLE_NAMES).toContain(oracle);
    expect(variant.oracles.length).toBeGreaterThan(0);
    // One step is another, and nothing else: what is not replaced is the design's own.
    const base = STRATEGIES.find((strategy) => strategy.name === variant.base)!;
    expect(variant.strategy.words).toEqual(base.words);
  });

  it.each(
    VARIANTS.map((variant) => [variant.strategy.name, variant.load] as const),
  )('%s: its load is there and takes it', (name, load) => {
    const [plan] = resolveCells(loadScenario(shippedFile(`variants/${load}.yaml`)), { strategies: [name] });
    // Chance needs delays, and a minute at most.
    expect(plan).toMatchObject({ kind: 'load', strategy: name, durationMs: 60_000 });
    expect(plan!.perturb).not.toBeNull();
  });

  it('are no part of `all`', () => {
    const plans = resolveCells(loadScenario(shippedFile('variants/fault-against-madvise.yaml')), {
      strategies: ['all'],
    });
    expect(plans.map(({ strategy }) => strategy)).toEqual(STRATEGIES.map(({ name }) => name));
  });
});
