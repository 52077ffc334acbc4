import { describe, expect, it } from 'vitest';
import { OdpError } from '../../src/scenario/errors.ts';
import { parseScenario } from '../../src/scenario/load.ts';
import { MAX_SEED, nthSeed, type ResolveOptions, resolveCells } from '../../src/scenario/resolve.ts';

const registry: ResolveOptions['registry'] = [
  { name: 'alpha', params: { slots: { default: 4, min: 1, max: 16, description: '' } } },
  { name: 'beta', params: {} },
];

const load = (memory: string, threads = 'madvise: 2, register: 1, fault-engine: 1, dma: 1', more = '') =>
  parseScenario(`kind: load\ndescription: d\nmemory: ${memory}\nthreads: { ${threads} }\n${more}`, 'a.yaml');

const litmus = (more = '') =>
  parseScenario(
    `kind: litmus
description: d
memory: { pages: 8, areas: [{ kind: anon, at: 0, pages: 4 }, { kind: file, file: F, at: 4, pages: 4 }] }
files: { F: { pages: 4 } }
ranges: { A: { at: 1, pages: 3 } }
setup: [write A]
threads: { T1: [madvise A, truncate F 2], T2: [register A, fault A] }
order: [T1 section.started, T2 umem.inserted]
expect: { alpha: { must: [stale-dma], may: [leak] } }
${more}`,
    'a.yaml',
  );

function refusal(run: () => unknown): string[] {
  try {
    run();
  } catch (error) {
    if (error instanceof OdpError) return error.message.split('\n');
    throw error;
  }
  throw new Error('nothing was refused');
}

describe('resolving the cells of a scenario', () => {
  it('makes one cell for each strategy and seed', () => {
    const cells = resolveCells(load('{ pages: 32 }'), { registry, seed: 7, repeat: 2 });
    expect(cells.map((cell) => [cell.strategy, cell.seed])).toEqual([
      ['alpha', 7],
      ['alpha', 8],
      ['beta', 7],
      ['beta', 8],
    ]);
  });

  it('gives each thread a tid, the supervisor the last', () => {
    const [cell] = resolveCells(load('{ pages: 32 }'), { registry, strategies: ['beta'] });
    expect(cell!.threads.map((thread) => [thread.tid, thread.name])).toEqual([
      [0, 'madvise-0'],
      [1, 'madvise-1'],
      [2, 'register-0'],
      [3, 'fault-engine-0'],
      [4, 'dma-0'],
      [5, 'supervisor'],
    ]);
    expect(cell!.threads.at(-1)!.role).toBe('supervisor');
  });

  it('lets flags outrank the scenario', () => {
    const [cell] = resolveCells(load('{ pages: 32 }', undefined, 'duration: 9s\n'), {
      registry,
      strategies: ['alpha'],
      durationMs: 250,
      threads: { madvise: 1 },
      params: { slots: 9 },
    });
    expect(cell).toMatchObject({ durationMs: 250, params: { slots: 9 } });
    expect(cell!.threads.filter((thread) => thread.role === 'madvise')).toHaveLength(1);
  });

  it('gives a strategy only its own parameters, the defaults where none is set', () => {
    const cells = resolveCells(load('{ pages: 32 }'), { registry });
    expect(cells.map((cell) => cell.params)).toEqual([{ slots: 4 }, {}]);
  });

  it('plans a litmus test', () => {
    const [cell] = resolveCells(litmus(), { registry, strategies: ['alpha'] });
    expect(cell!.perturb).toBeNull();
    expect(cell!.memory.areas[1]).toMatchObject({ file: 0, at: 4, pages: 4 });
    expect(cell!.threads.map((thread) => [thread.role, thread.name])).toEqual([
      ['program', 'T1'],
      ['program', 'T2'],
      ['supervisor', 'supervisor'],
    ]);
    expect(cell!.litmus!.setup).toEqual([{ verb: 'write', target: 'A', mm: 0, start: 1, last: 3, file: -1 }]);
    expect(cell!.litmus!.programs[0]![1]).toEqual({ verb: 'truncate', target: 'F', mm: 0, start: 2, last: 2, file: 0 });
    expect(cell!.litmus!.order).toEqual([
      { tid: 0, point: 'section.started' },
      { tid: 1, point: 'umem.inserted' },
    ]);
    expect(cell!.expect).toEqual({ alpha: { must: ['stale-dma'], may: ['leak'] } });
  });

  it('survives the journey to a worker', () => {
    for (const cell of [...resolveCells(load('{ pages: 32 }'), { registry }), ...resolveCells(litmus(), { registry })])
      expect(JSON.parse(JSON.stringify(cell))).toEqual(structuredClone(cell));
  });

  it('keeps seeds within 1 .. 2^32 - 1', () => {
    expect(nthSeed(1, 0)).toBe(1);
    expect(nthSeed(MAX_SEED, 0)).toBe(MAX_SEED);
    expect(nthSeed(MAX_SEED, 1)).toBe(1);
  });

  it.each<[string, () => unknown, string]>([
    [
      'an unknown strategy',
      () => resolveCells(load('{ pages: 8 }'), { registry, strategies: ['alhpa'] }),
      "ODP_E_STRATEGY_UNKNOWN: no strategy 'alhpa'; did you mean 'alpha'?",
    ],
    [
      'an unknown parameter',
      () => resolveCells(load('{ pages: 8 }'), { registry, params: { slot: 1 } }),
      "ODP_E_PARAM: no chosen strategy has a parameter 'slot'; did you mean 'slots'?",
    ],
    [
      'a parameter out of range',
      () => resolveCells(load('{ pages: 8 }'), { registry, params: { slots: 99 } }),
      'ODP_E_PARAM: parameter slots=99 of alpha is outside 1..16',
    ],
    [
      'no threads',
      () => resolveCells(load('{ pages: 8 }', 'madvise: 0'), { registry }),
      'ODP_E_THREADS a.yaml:4:10: no threads: at least one role needs a count above 0',
    ],
    [
      'too many threads',
      () => resolveCells(load('{ pages: 8 }', 'madvise: 40, munmap: 25'), { registry }),
      'ODP_E_THREADS a.yaml:4:10: 65 threads, at most 63 are possible',
    ],
    [
      'too many threads from a flag',
      () => resolveCells(load('{ pages: 8 }'), { registry, threads: { touch: 63 } }),
      'ODP_E_THREADS: 68 threads, at most 63 are possible',
    ],
    [
      'too few frames',
      () => resolveCells(load('{ pages: 32, frames: 10 }'), { registry }),
      'ODP_E_FRAMES a.yaml:3:30: memory too small: 10 frames, at least 22 are needed (0 for the files, 16 for anonymous pages, 6 for the threads)',
    ],
    [
      'an area outside',
      () => resolveCells(load('{ pages: 8, areas: [{ kind: anon, at: 4, pages: 5 }] }'), { registry }),
      'ODP_E_AREA a.yaml:3:29: area 0 is pages 4..8, the address space has 8 pages',
    ],
    [
      'areas that overlap',
      () =>
        resolveCells(load('{ pages: 8, areas: [{ kind: anon, at: 0, pages: 5 }, { kind: anon, at: 4, pages: 2 }] }'), {
          registry,
        }),
      'ODP_E_AREA a.yaml:3:62: area 1 (pages 4..5) overlaps area 0 (pages 0..4)',
    ],
    [
      'an area of a file that is not there',
      () => resolveCells(load('{ pages: 8, areas: [{ kind: file, file: 1, at: 0, pages: 2 }] }'), { registry }),
      'ODP_E_AREA a.yaml:3:29: area 0 shows file 1, but there are 0 files',
    ],
    [
      'an area beyond its file',
      () =>
        resolveCells(
          load('{ pages: 8, files: [{ pages: 4 }], areas: [{ kind: file, file: 0, offset: 3, at: 0, pages: 2 }] }'),
          { registry },
        ),
      'ODP_E_AREA a.yaml:3:52: area 0 shows pages 3..4 of a file of 4 pages',
    ],
    [
      'dma without register',
      () => resolveCells(load('{ pages: 8 }', 'dma: 1, fault-engine: 1, register: 0'), { registry }),
      'ODP_E_ROLE a.yaml:4:17: threads of role dma need at least one of role register: there would be no memory region to access',
    ],
    [
      'truncate without a file',
      () => resolveCells(load('{ pages: 8 }', 'truncate: 1'), { registry }),
      'ODP_E_ROLE a.yaml:4:22: threads of role truncate need at least one file in memory.files',
    ],
    [
      'an operation wider than the memory',
      () => resolveCells(load('{ pages: 8 }', 'madvise: { count: 1, pages: [1, 9] }'), { registry }),
      'ODP_E_ROLE a.yaml:4:40: madvise wants up to 9 pages, memory.pages is 8',
    ],
    [
      'threads of a litmus test',
      () => resolveCells(litmus(), { registry, threads: { madvise: 1 } }),
      "ODP_E_THREADS: the threads of litmus scenario 'a' are fixed",
    ],
    [
      'an expectation of nobody',
      () => resolveCells(litmus(), { registry: [{ name: 'alpah', params: {} }] }),
      "ODP_E_SCENARIO_INVALID a.yaml:9:18: expect: no strategy 'alpha'; did you mean 'alpah'?",
    ],
  ])('refuses %s with one line', (_, run, line) => {
    expect(refusal(run)[0]).toBe(line);
  });
});
