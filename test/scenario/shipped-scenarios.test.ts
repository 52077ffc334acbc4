import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { packageRoot } from '../../src/cli/package-root.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';

const scenarios = join(packageRoot(), 'scenarios');
const files = readdirSync(scenarios, { recursive: true, encoding: 'utf8' }).filter(
  (file) => /\.ya?ml$/.test(file) && !file.startsWith('campaigns'),
);

describe('the scenarios that come with the package', () => {
  it('are there', () => {
    expect(files).toContain('seed.yaml');
    expect(files.length).toBeGreaterThanOrEqual(4);
  });

  it.each(files)('%s resolves for every strategy', (file) => {
    const loaded = loadScenario(join(scenarios, file));
    expect(resolveCells(loaded).map((cell) => cell.strategy)).toEqual(STRATEGIES.map((strategy) => strategy.name));
  });

  it.each(files.filter((file) => file.startsWith('litmus')))('%s states what every strategy earns', (file) => {
    const { scenario } = loadScenario(join(scenarios, file));
    if (scenario.kind !== 'litmus') throw new Error('not a litmus test');
    for (const { name } of STRATEGIES) expect(Object.keys(scenario.expect)).toContain(name);
  });

  it.each(
    files.filter((file) => file.startsWith('litmus')),
  )('%s orders only points of threads that reach them', (file) => {
    const [cell] = resolveCells(loadScenario(join(scenarios, file)));
    for (const { tid } of cell!.litmus!.order) expect(cell!.threads[tid]!.role).toBe('program');
  });

  it('the seed scenario has every role of a load', () => {
    const [cell] = resolveCells(loadScenario(join(scenarios, 'seed.yaml')));
    expect(new Set(cell!.threads.map((thread) => thread.role))).toEqual(
      new Set(['madvise', 'munmap', 'truncate', 'register', 'fault-engine', 'dma', 'touch', 'supervisor']),
    );
  });
});
