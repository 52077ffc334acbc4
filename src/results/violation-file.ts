import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import { type CellPlan, ROLES } from '../scenario/plan.ts';
import { POINT, type PointName } from '../trace/points.ts';
import type { ViolationRecord } from './types.ts';

export const VIOLATION_FILE = 'violation.json';
/** In a soak: the plan of the cell that showed it. */
export const CELL_FILE = 'cell.json';

/** A violation that a run has kept, with the cell that showed it. */
export interface KeptViolation {
  /** Its folder. */
  readonly folder: string;
  readonly record: ViolationRecord;
  readonly plan: CellPlan;
}

const whole = z.int();
const pages = z.object({ start: whole, last: whole });
const points = Object.keys(POINT) as [PointName, ...PointName[]];

/** What is needed of a record; the rest is kept as it is. */
const recordSchema = z.looseObject({
  oracle: z.enum(ORACLE_NAMES),
  nth: whole,
  scenario: z.string(),
  strategy: z.string(),
  seed: whole,
  atMs: z.number(),
  thread: z.object({ tid: whole.min(0), name: z.string() }),
  range: pages.optional(),
  page: whole.optional(),
  detail: z.string(),
  names: z.array(z.string()),
  window: z.array(
    z.object({
      tid: whole.min(0),
      timeMs: z.number(),
      point: z.enum(points),
      args: z.tuple([whole, whole, whole]),
      op: whole,
    }),
  ),
});

/** What is needed of a cell. */
const planSchema = z.looseObject({
  scenario: z.string(),
  kind: z.enum(['load', 'litmus']),
  strategy: z.string(),
  strategyFile: z.object({ url: z.string(), sha256: z.string() }).optional(),
  seed: whole,
  params: z.record(z.string(), z.number()),
  memory: z.looseObject({
    mms: whole.min(1),
    pages: whole.min(1),
    files: z.array(z.object({ pages: whole })),
    areas: z.array(z.object({ mm: whole, at: whole, pages: whole, file: whole, offset: whole, writable: z.boolean() })),
  }),
  hca: z.looseObject({ mrs: whole, mrPages: whole }),
  threads: z.array(z.looseObject({ tid: whole, role: z.enum(ROLES), name: z.string(), mm: whole })),
  litmus: z.unknown(),
});

/**
 * Reads the violation that a run has kept in `violations/<n>/`, given as that folder or as its violation.json. Throws
 * `ODP_E_VIOLATION_UNREADABLE` or `ODP_E_VIOLATION_INVALID` with what is wrong.
 */
export function readViolation(path: string): KeptViolation {
  if (!existsSync(path))
    throw new OdpError({ code: 'ODP_E_VIOLATION_UNREADABLE', message: 'there is no such folder or file', at: path });
  const file = statSync(path).isDirectory() ? join(path, VIOLATION_FILE) : path;
  if (!existsSync(file))
    throw invalid(path, `it holds no ${VIOLATION_FILE}; a violation is a folder 'violations/<n>' of a run`);
  const record = recordSchema.safeParse(parsed(file));
  if (!record.success) throw invalid(file, `it is not the record of a violation: ${firstIssue(record.error)}`);
  // Its schema has checked what is used; zod's optional members may be undefined, a record's are absent.
  const kept = record.data as unknown as ViolationRecord;
  return { folder: dirname(file), record: kept, plan: cellBeside(dirname(file), kept) };
}

/** A soak writes the cell beside the violation; a run has all of its cells in run.json. */
function cellBeside(folder: string, record: ViolationRecord): CellPlan {
  const own = join(folder, CELL_FILE);
  if (existsSync(own)) return checkedPlan(own, parsed(own), record);
  const run = join(dirname(dirname(folder)), 'run.json');
  if (!existsSync(run))
    throw invalid(run, "there is no such file: the violation's folder must lie where the run has written it");
  return cellOf(run, record);
}

function cellOf(file: string, record: ViolationRecord): CellPlan {
  const { scenario, strategy, seed } = record;
  const config = z.object({ cells: z.array(z.unknown()) }).safeParse(parsed(file));
  if (!config.success) throw invalid(file, "it has no 'cells': it is not that of a run or a matrix");
  const cell = config.data.cells.find((one) => {
    const known = (one ?? {}) as Record<string, unknown>;
    return known.scenario === scenario && known.strategy === strategy && known.seed === seed;
  });
  if (cell === undefined)
    throw invalid(file, `it has no cell of scenario '${scenario}' with ${strategy} and seed ${seed}`);
  return checkedPlan(file, cell, record);
}

function checkedPlan(file: string, cell: unknown, { scenario, strategy }: ViolationRecord): CellPlan {
  const plan = planSchema.safeParse(cell);
  if (!plan.success)
    throw invalid(
      file,
      `the cell of '${scenario}' with ${strategy} is not as it was written: ${firstIssue(plan.error)}`,
    );
  return plan.data as unknown as CellPlan;
}

function parsed(file: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    const message = `cannot be read: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_VIOLATION_UNREADABLE', message, at: file }, { cause: error });
  }
  try {
    return JSON.parse(text);
  } catch {
    throw invalid(file, 'it is not JSON');
  }
}

const invalid = (at: string, message: string): OdpError =>
  new OdpError({ code: 'ODP_E_VIOLATION_INVALID', message, at });

function firstIssue({ issues }: z.ZodError): string {
  const { path, message } = issues[0]!;
  return path.length === 0 ? message : `'${path.join('.')}': ${message}`;
}
