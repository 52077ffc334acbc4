import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import type { SoakViolation } from '../../src/results/race-log.ts';
import { cellsOf, checkpointOf, doubles, racesOf, reconcile, soakBed, soakIn } from './soak-fixture.ts';

const bed = soakBed();

// The design of the canary runs as a cell of its own as well: what both find has the same signatures.
const BOTH = `kind: campaign
description: The canary's design as a cell, too.
cells:
  - { scenarios: [./load.yaml], strategies: [private-count] }
canary: { scenario: ./load.yaml }
`;

it('the records of canaries take nothing of the folders and windows of a signature that a cell finds', async () => {
  writeFileSync(join(bed.cwd, 'both.yaml'), BOTH);
  // Each cell has more records than a signature gets in full; the canary comes first.
  const many = doubles({ records: 30 });
  await soakIn(bed.cwd, ['both.yaml', '--no-progress', '--seed', '7', '-o', bed.dir, '--until', 'cells=1'], many);
  expect(cellsOf(bed.dir)[0]).toMatchObject({ canary: true });
  expect(racesOf(bed.dir).length).toBeGreaterThan(20);
  await soakIn(bed.cwd, ['--no-progress', '--resume', bed.dir, '--until', 'cells=20'], many);
  reconcile(bed.dir);

  const canaries = new Set(cellsOf(bed.dir).flatMap(({ canary, index }) => (canary ? [index] : [])));
  const { signatures } = checkpointOf(bed.dir);
  expect(signatures).toHaveLength(2);
  const folders = readdirSync(join(bed.dir, 'violations')).map(
    (name) => JSON.parse(readFileSync(join(bed.dir, 'violations', name, 'violation.json'), 'utf8')) as SoakViolation,
  );
  for (const { signature, offered, offeredByCanaries } of signatures) {
    const kept = folders.filter((one) => one.signature === signature);
    expect(kept.filter(({ cell }) => canaries.has(cell))).toEqual([]);
    expect(kept, signature).toHaveLength(3);
    const logged = racesOf(bed.dir).filter((one) => one.signature === signature);
    const sampled = (n: number): number =>
      Array.from({ length: n }, (_, i) => i + 1).filter((nth) => nth <= 20 || Math.log2(nth) % 1 === 0).length;
    expect(logged.filter(({ cell }) => canaries.has(cell!))).toHaveLength(sampled(offeredByCanaries));
    expect(logged.filter(({ cell }) => !canaries.has(cell!))).toHaveLength(sampled(offered - offeredByCanaries));
  }
});
