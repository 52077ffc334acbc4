import { ORACLE_NAMES } from '../oracles/names.ts';
import { pointCounts } from '../oracles/report.ts';
import type { ViolationRecord } from '../results/types.ts';
import { pointName } from '../trace/points.ts';
import type { World } from '../world/world.ts';

/**
 * Violations of a finished cell by signature, `oracle/strategy/role/point`: who noticed it, and the last point that this thread had
 * passed. Exact, also where no record was made.
 */
export function signatureCounts(world: World): Record<string, number> {
  const { plan } = world;
  const out: Record<string, number> = {};
  for (const { tid, oracle, point, count } of pointCounts(world.oracles)) {
    const key = `${ORACLE_NAMES[oracle]}/${plan.strategy}/${plan.threads[tid]!.role}/${pointName(point)}`;
    out[key] = (out[key] ?? 0) + count;
  }
  return out;
}

/** The signature among these that a record belongs to. */
export const signatureOf = ({ signature, point }: ViolationRecord): string => `${signature}/${point ?? pointName(0)}`;
