import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { type DraftPlan, draftLitmus } from '../../src/explore/explain/from-violation.ts';
import type { ViolationRecord, WindowRecord } from '../../src/results/types.ts';
import { loadScenario } from '../../src/scenario/load.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import type { PointName } from '../../src/trace/points.ts';
import { underflow } from '../report/results-fixture.ts';

const folder = mkdtempSync(join(tmpdir(), 'odp-draft-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const thread = (tid: number, role: string, name: string) => ({
  tid,
  role,
  name,
  mm: 0,
  minPages: 1,
  maxPages: 4,
  pauseUs: 0,
});
const plan = {
  scenario: 'seed',
  kind: 'load',
  strategy: 'private-count-clamped',
  litmus: null,
  memory: {
    mms: 1,
    pages: 48,
    frames: 100,
    files: [{ pages: 16 }],
    areas: [
      { mm: 0, at: 0, pages: 32, file: -1, offset: 0, writable: true },
      { mm: 0, at: 32, pages: 16, file: 0, offset: 0, writable: true },
    ],
    vmas: 10,
  },
  threads: [
    thread(0, 'madvise', 'madvise-0'),
    thread(1, 'register', 'register-0'),
    thread(2, 'fault-engine', 'fault-engine-0'),
    thread(3, 'truncate', 'truncate-0'),
  ],
} as unknown as DraftPlan;

let time = 0;
const at = (tid: number, op: number, point: PointName, ...args: number[]): WindowRecord => ({
  tid,
  op,
  point,
  timeMs: ++time,
  args: [args[0] ?? 0, args[1] ?? 0, args[2] ?? 0],
});
const record = (window: WindowRecord[], more: Partial<ViolationRecord>): ViolationRecord =>
  underflow({ strategy: 'private-count-clamped', names: plan.threads.map((t) => t.name), window, atMs: 1000, ...more });

/** Every draft must be a scenario that the loader takes. */
function loaded(yaml: string) {
  const file = join(folder, 'draft.yaml');
  writeFileSync(file, yaml);
  const [cell] = resolveCells(loadScenario(file), { seed: 1, repeat: 1, strategies: ['private-count-clamped'] });
  return cell!;
}

describe('a litmus drawn from a violation', () => {
  const window = [
    at(0, 4, 'madvise.enter', 8, 16),
    at(0, 4, 'section.started', 8, 16, 1),
    at(1, 7, 'register.enter', 13, 19, 5),
    at(1, 7, 'umem.inserted', 3, 13, 19),
    at(2, 9, 'fault.enter', 5, 1),
    at(2, 9, 'fault.sampled', 3, 14, 0),
    at(2, 9, 'fault.committed', 3, 14, 60),
    at(0, 5, 'madvise.enter', 14, 14),
    at(0, 5, 'section.ending', 14, 14, 2),
    at(3, 2, 'truncate.enter', 0, 4),
  ];

  it('takes the operations on its pages, and folds pages that play the same part', () => {
    const [literal] = draftLitmus(
      record(window, { oracle: 'entry-in-section', page: 14, thread: { tid: 0, name: 'madvise-0' } }),
      plan,
    );
    const { litmus, memory } = loaded(literal!.yaml);
    expect(memory.pages).toBe(5);
    expect(litmus!.programs.map((verbs) => verbs.map((v) => `${v.verb} ${v.start}..${v.last}`))).toEqual([
      ['madvise 0..3', 'madvise 2..2'],
      ['register 1..4'],
      ['fault 1..4'],
    ]);
    expect(litmus!.setup.map((v) => v.verb)).not.toContain('register');
  });

  it('offers readings for what happened before the window, down to the shape of the seed thread', () => {
    const drafts = draftLitmus(
      record(window, { oracle: 'entry-in-section', page: 14, thread: { tid: 0, name: 'madvise-0' } }),
      plan,
    );
    expect(drafts.length).toBe(3);
    for (const { yaml } of drafts)
      expect(loaded(yaml).expect['private-count-clamped']!.must).toEqual(['entry-in-section']);
    const shape = loaded(drafts[2]!.yaml);
    expect(shape.memory.pages).toBe(1);
    expect(shape.litmus!.programs.map((verbs) => verbs.map((v) => v.verb))).toEqual([
      ['madvise'],
      ['madvise'],
      ['register', 'fault', 'dma-read'],
    ]);
  });

  it('registers before the start what the window does not show being registered', () => {
    const late = [at(0, 1, 'section.started', 2, 5, 1), at(2, 1, 'fault.committed', 3, 4, 60)];
    const [literal] = draftLitmus(
      record(late, { oracle: 'stale-dma', page: 4, thread: { tid: 0, name: 'madvise-0' } }),
      plan,
    );
    expect(loaded(literal!.yaml).litmus!.setup.map((v) => v.verb)).toContain('register');
  });

  it('keeps files, and the new size of a truncate among folded pages', () => {
    const cut = [
      at(3, 2, 'truncate.enter', 0, 4),
      at(3, 2, 'section.started', 36, 47, 1),
      at(1, 3, 'register.enter', 34, 39, 9),
      at(2, 1, 'fault.committed', 3, 38, 60),
    ];
    const [literal] = draftLitmus(
      record(cut, { oracle: 'stale-dma', page: 38, thread: { tid: 3, name: 'truncate-0' } }),
      plan,
    );
    const { litmus, memory } = loaded(literal!.yaml);
    // 32..33 before the region, 34..35 and 36..39 in it (the cut lies between), 40..47 behind it.
    expect(memory.files).toEqual([{ pages: 4 }]);
    expect(litmus!.programs.flat().find((v) => v.verb === 'truncate')).toMatchObject({ start: 2, file: 0 });
  });

  it('reads a registration with its prefetch as two verbs, and repeats nothing', () => {
    const prefetched = [
      at(1, 7, 'umem.inserted', 3, 13, 19),
      at(1, 7, 'fault.committed', 3, 13, 60),
      at(1, 7, 'fault.committed', 3, 14, 61),
      at(2, 1, 'fault.committed', 3, 15, 62),
      at(2, 2, 'fault.committed', 3, 16, 63),
      at(0, 5, 'section.ending', 14, 14, 2),
    ];
    const [literal] = draftLitmus(
      record(prefetched, { oracle: 'entry-in-section', page: 14, thread: { tid: 0, name: 'madvise-0' } }),
      plan,
    );
    expect(loaded(literal!.yaml).litmus!.programs.map((verbs) => verbs.map((v) => v.verb))).toEqual([
      ['madvise'],
      ['register', 'prefetch'],
      ['fault'],
    ]);
  });

  it('keeps one registration, the last of the region in question', () => {
    const several = [
      at(1, 3, 'umem.inserted', 2, 14, 15),
      at(1, 4, 'umem.removed', 2, 14, 15),
      at(1, 5, 'umem.inserted', 3, 13, 16),
      at(1, 6, 'umem.inserted', 4, 16, 20),
      at(0, 5, 'section.ending', 14, 14, 2),
    ];
    const [literal] = draftLitmus(
      record(several, { oracle: 'counter-underflow', range: { start: 13, last: 16 }, thread: { tid: 0, name: 'm' } }),
      plan,
    );
    const registered = loaded(literal!.yaml)
      .litmus!.programs.flat()
      .filter((v) => v.verb === 'register');
    expect(registered).toHaveLength(1);
  });

  it('leaves out what happened in other address spaces', () => {
    const two: DraftPlan = {
      ...plan,
      memory: { ...plan.memory, mms: 2, areas: plan.memory.areas.flatMap((area) => [area, { ...area, mm: 1 }]) },
      threads: plan.threads.map((t) => (t.tid === 1 ? { ...t, mm: 1 } : t)),
    };
    const [literal] = draftLitmus(
      record(window, { oracle: 'entry-in-section', page: 14, thread: { tid: 0, name: 'madvise-0' } }),
      two,
    );
    expect(loaded(literal!.yaml).memory.mms).toBe(1);
    // The registration was of the other one.
    expect(
      loaded(literal!.yaml)
        .litmus!.programs.flat()
        .map((v) => v.verb),
    ).not.toContain('register');
  });

  it('does not fold a file that lies in two places', () => {
    const [anon, file] = plan.memory.areas;
    const twice: DraftPlan = {
      ...plan,
      memory: { ...plan.memory, areas: [anon!, { ...file!, pages: 8 }, { ...file!, at: 40, pages: 8, offset: 8 }] },
    };
    const cut = [
      at(3, 2, 'truncate.enter', 0, 4),
      at(3, 2, 'section.started', 36, 47, 1),
      at(1, 3, 'umem.inserted', 3, 34, 39),
    ];
    const [literal] = draftLitmus(
      record(cut, { oracle: 'stale-dma', page: 38, thread: { tid: 3, name: 'truncate-0' } }),
      twice,
    );
    const { memory, litmus } = loaded(literal!.yaml);
    expect(memory.areas).toEqual(twice.memory.areas);
    expect(litmus!.programs.flat().find((v) => v.verb === 'truncate')).toMatchObject({ start: 4, file: 0 });
  });

  it('gives the words of a violation of a litmus test back as they are', () => {
    const litmus = loaded(
      draftLitmus(record(window, { oracle: 'stale-dma', page: 14, thread: { tid: 0, name: 'madvise-0' } }), plan)[0]!
        .yaml,
    );
    const drafts = draftLitmus(
      record([], { oracle: 'stale-dma', page: 2, thread: { tid: 0, name: 'madvise-0' } }),
      litmus,
    );
    expect(drafts).toHaveLength(1);
    const words = (cell: typeof litmus) =>
      cell.litmus!.programs.map((verbs) => verbs.map((v) => `${v.verb} ${v.start}..${v.last}`));
    expect(words(loaded(drafts[0]!.yaml))).toEqual(words(litmus));
    expect(loaded(drafts[0]!.yaml).memory.areas).toEqual(litmus.memory.areas);
  });

  it('has nothing to say about a violation without pages and without a window', () => {
    const { range: _, page: __, ...bare } = record([], { oracle: 'deadlock' });
    expect(draftLitmus(bare as ViolationRecord, plan)).toEqual([]);
  });
});
