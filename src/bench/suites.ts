import { ALONE } from './claims.ts';
import type { SuiteOptions } from './defaults.ts';
import { runLoadCell, runScalingCell } from './load-cell.ts';
import { type LoadConfig, type LoadRole, type Observing, unfit } from './load-plan.ts';
import { runLockCell } from './lock-cell.ts';
import { LOCK_REFERENCE, LOCKS, type LockName } from './lock-plan.ts';
import { hasPeer } from './peers.ts';
import { runPrimitiveCell } from './primitive-cell.ts';
import { PRIMITIVE_REFERENCE, PRIMITIVES } from './primitives.ts';
import type { Params } from './result.ts';
import { type Base, type CellSpec, cellId } from './run-types.ts';

export interface Suites {
  readonly cells: readonly CellSpec[];
  /** What was left out, and why. */
  readonly notes: readonly string[];
}

const READ_SHARES = [0, 50, 90, 99, 100];
const UMEMS = [1, 10, 100, 1000, 10_000, 100_000];
const REFAULT_UMEMS = [10, 100, 1000, 10_000, 100_000];

/** The cells of a bench. Ids are unique, and the same for the same cell in every run: two runs are compared by them. */
export function benchCells(options: SuiteOptions): Suites {
  const notes: string[] = [];
  const cells: CellSpec[] = [];
  if (options.suites.includes('primitives')) cells.push(...primitiveCells(notes));
  if (options.suites.includes('locks')) cells.push(...lockCells(options, notes));
  if (options.suites.includes('strategies')) cells.push(...strategyCells(options, notes));
  const { filter } = options;
  return { cells: filter === null ? cells : filtered(cells, filter), notes: [...new Set(notes)] };
}

/** The cells whose ids have one of the parts, and those that they are a ratio to: a ratio is made within a round. */
function filtered(cells: readonly CellSpec[], parts: readonly string[]): CellSpec[] {
  const byId = new Map(cells.map((cell) => [cell.id, cell]));
  const wanted = new Set(cells.flatMap(({ id }) => (parts.some((part) => id.includes(part)) ? [id] : [])));
  // The set grows while it is walked: a reference may have one of its own.
  for (const id of wanted)
    for (const other of [byId.get(id)?.reference, byId.get(id)?.base?.id])
      if (other !== undefined && other !== null) wanted.add(other);
  return cells.filter(({ id }) => wanted.has(id));
}

function primitiveCells(notes: string[]): CellSpec[] {
  if (!hasPeer('tinybench')) {
    notes.push('primitives: tinybench is not installed; they are measured in a checkout, after npm ci');
    return [];
  }
  return PRIMITIVES.filter((one) => peerThere(one, notes)).map(({ name }) => ({
    id: cellId('primitives', name, {}),
    suite: 'primitives',
    group: 'primitives',
    subject: name,
    params: {},
    threads: 1,
    reference: cellId('primitives', PRIMITIVE_REFERENCE, {}),
    run: (time) => runPrimitiveCell(name, time),
  }));
}

function peerThere(one: (typeof PRIMITIVES)[number], notes: string[]): boolean {
  if (!('peer' in one) || hasPeer(one.peer)) return true;
  notes.push(`primitives: ${one.name}: ${one.peer} is not installed; it is there in a checkout, after npm ci`);
  return false;
}

function lockCells({ threads, quick }: SuiteOptions, notes: string[]): CellSpec[] {
  const shares = quick ? [0, 90, 100] : READ_SHARES;
  const there = LOCKS.filter(({ peer }) => !peer || hasPeer('multithreading'));
  if (there.length < LOCKS.length)
    notes.push('locks: multithreading is not installed; it is there in a checkout, after npm ci');
  return there.flatMap(({ name }) =>
    shares.flatMap((read) => threads.map((n): CellSpec => lockCell(name, { read, threads: n }))),
  );
}

const lockCell = (name: LockName, params: { readonly read: number; readonly threads: number }): CellSpec => ({
  id: cellId('locks', name, params),
  suite: 'locks',
  group: 'locks',
  subject: name,
  params,
  threads: params.threads,
  reference: cellId('locks', LOCK_REFERENCE, params),
  run: (time) => runLockCell(name, params, time),
});

/** What a cell of a strategy is when nothing else is said: as many threads as two cores can run. */
const BASE = { mms: 1, umems: 64, overlap: 50, vmas: 1, observing: 'none' as Observing };

interface Point {
  readonly group: string;
  readonly params: Params;
  /** Parameters of the point that it is a multiple of, and by which figures. */
  readonly base?: { readonly params: Params; readonly figures: Base['figures'] };
  readonly config: Omit<LoadConfig, 'strategy' | 'seed'>;
}

function strategyCells(options: SuiteOptions, notes: string[]): CellSpec[] {
  const points = [...loadPoints(options), ...registerPoints(options), ...singlePoints(options)];
  const [first] = options.strategies;
  const cells: CellSpec[] = [];
  for (const chosen of options.strategies)
    for (const { group, params, base, config } of points) {
      const { strategy } = chosen;
      const full: LoadConfig = { ...config, ...chosen, seed: 0 };
      const why = unfit(full);
      const id = cellId(group, strategy, params);
      if (why !== null) notes.push(`${group}/${strategy}: ${why}`);
      else
        cells.push({
          id,
          suite: 'strategies',
          group,
          subject: strategy,
          params,
          threads: config.roles.length,
          reference: cellId(group, first!.strategy, params),
          ...(base === undefined ? {} : { base: { id: cellId(group, strategy, base.params), figures: base.figures } }),
          run: (time) => (group === 'scaling' ? runScalingCell(full, time) : runLoadCell(full, time)),
        });
    }
  return cells;
}

/** One figure is moved at a time, the others stay as in `BASE`. */
function axisPoints(
  group: string,
  others: readonly LoadRole[],
  axes: Readonly<Record<'invalidators' | 'umems' | 'overlap' | 'vmas', readonly number[]>>,
): Point[] {
  const points = new Map<string, Point>();
  const base = { invalidators: 1, umems: BASE.umems, overlap: BASE.overlap, vmas: BASE.vmas };
  for (const [axis, values] of Object.entries(axes))
    for (const value of values) {
      const params = { ...base, [axis]: value };
      const { invalidators, ...world } = params;
      const roles: LoadRole[] = [...others, ...new Array<LoadRole>(invalidators).fill('invalidate')];
      points.set(JSON.stringify(params), { group, params, config: { ...BASE, ...world, roles } });
    }
  return [...points.values()];
}

const loadPoints = ({ quick, threads }: SuiteOptions): Point[] =>
  axisPoints('load', ['fault'], {
    invalidators: threads,
    umems: quick ? [1, 1000] : UMEMS,
    overlap: [0, 50, 100],
    vmas: quick ? [] : [16, 256],
  });

const registerPoints = ({ quick }: SuiteOptions): Point[] =>
  axisPoints('register', ['register'], {
    invalidators: quick ? [1] : [1, 4],
    umems: quick ? [1000] : UMEMS,
    overlap: quick ? [] : [0, 100],
    vmas: quick ? [64] : [16, 256],
  });

const GROWTH: Base['figures'] = { growth: 'refaultNs', cpuGrowth: 'cpuNsPerOp' };

/** One thread, or two that share as little as they can. */
function singlePoints({ quick }: SuiteOptions): Point[] {
  const point = (group: string, params: Params, config: Partial<LoadConfig>, base?: Point['base']): Point => ({
    group,
    params,
    config: { ...BASE, overlap: 0, roles: ['refault'], ...config },
    ...(base === undefined || base.params === params ? {} : { base }),
  });
  const refault = (quick ? [10, 1000, 10_000] : REFAULT_UMEMS).map((umems) => ({ umems }));
  const scaling = [ALONE, { threads: 2, mms: 1 }, { threads: 2, mms: 2 }];
  const observing: Observing[] = ['none', 'oracles', 'traced'];
  return [
    ...refault.map((params) => point('refault', params, params, { params: refault[0]!, figures: GROWTH })),
    ...scaling.map((params) =>
      point('scaling', params, { mms: params.mms, roles: new Array<LoadRole>(params.threads).fill('refault') }),
    ),
    ...observing.map((one) => point('observing', { observer: one }, { observing: one })),
  ];
}
