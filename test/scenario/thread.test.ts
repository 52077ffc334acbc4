import { describe, expect, it } from 'vitest';
import { CLAIMS, labelOf } from '../../bench/thread-claims.ts';
import { findScenario, packageRoot, shippedScenarios } from '../../src/cli/package-root.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';

const shipped = shippedScenarios(packageRoot()).filter(({ folder }) => folder === 'thread');
const names = shipped.map(({ name }) => name);

describe('the claims of the mail thread as scenarios', () => {
  it('are there, and each belongs to a claim', () => {
    const asked = new Set(CLAIMS.flatMap(({ scenarios }) => scenarios.map(({ name }) => name)));
    expect(names.length).toBeGreaterThanOrEqual(12);
    expect(names.filter((name) => !asked.has(name))).toEqual([]);
  });

  it.each(shipped)('$name is found by its name, and by its folder', ({ name, file }) => {
    expect(findScenario(packageRoot(), '/', name)).toBe(file);
    expect(findScenario(packageRoot(), '/', `thread/${name}`)).toBe(file);
  });

  it.each(shipped)('$name resolves for every strategy and every era', ({ file }) => {
    const cells = resolveCells(loadScenario(file), { eras: ['all'] });
    expect(new Set(cells.map(({ strategy }) => strategy))).toEqual(new Set(STRATEGIES.map(({ name }) => name)));
  });

  it.each(shipped)('$name says what every strategy earns, if it is a litmus', ({ file }) => {
    const { scenario } = loadScenario(file);
    if (scenario.kind === 'load') return;
    expect(Object.keys(scenario.expect).sort()).toEqual(STRATEGIES.map(({ name }) => name).sort());
  });

  it('are not shadowed by a scenario of another folder', () => {
    const all = shippedScenarios(packageRoot()).map(({ name }) => name);
    expect(all.filter((name, i) => all.indexOf(name) !== i)).toEqual([]);
  });
});

describe('the table of the claims', () => {
  it.each(CLAIMS)('$id asks designs that it runs', ({ scenarios, question, timeline }) => {
    const rows = scenarios.flatMap(({ name, groups }) =>
      groups.flatMap((group) => group.strategies.map((strategy) => `${name}: ${labelOf(strategy, group)}`)),
    );
    const subjects =
      question.kind === 'costs'
        ? [question.dear, question.cheap]
        : question.kind === 'rate'
          ? [question.subject]
          : question.subjects;
    for (const { scenario, label } of timeline === undefined ? subjects : [...subjects, timeline])
      expect(rows).toContain(`${scenario}: ${label}`);
  });

  it.each(CLAIMS)('$id resolves', ({ scenarios }) => {
    for (const { name, groups } of scenarios)
      for (const { strategies, params } of groups)
        expect(
          resolveCells(loadScenario(findScenario(packageRoot(), '/', name)), { strategies, params: params ?? {} })
            .length,
        ).toBe(strategies.length);
  });
});
