import type { OracleName } from '../oracles/names.ts';
import type { CellLine, SignatureTotal } from '../results/soak-types.ts';
import type { CellResult, ViolationRecord } from '../results/types.ts';
import { signatureOf } from '../torture/signatures.ts';
import { sumOf } from './totals.ts';

/**
 * Full records of a signature that are logged from the first on; later ones only when their number is a power of two. Those of canaries
 * are numbered by themselves: a night of them must not use up the records of a bug that another cell finds.
 */
export const FIRST_RECORDS = 20;

/** What became of a record. */
export type Fate = 'logged' | 'overBudget' | 'lost';

/** What a cell has shown so far; nothing of it is in the totals before the cell has ended. */
interface CellTally {
  readonly canary: boolean;
  readonly offered: Record<string, number>;
  readonly logged: Record<string, number>;
  readonly firstAtMs: Record<string, number>;
  readonly lastAtMs: Record<string, number>;
  readonly fates: Record<Fate | 'sampledOut', number>;
}

export interface Signatures {
  /** A cell begins; default: no canary. */
  begin(canary?: boolean): void;
  /**
   * Takes a record of the running cell; `log` writes it, if it is to be written, and says what became of it. `nth` is its number within
   * the signature, `nthOfKind` that among the records of canaries, or among those of all others.
   */
  offer(record: ViolationRecord, log: (signature: string, nth: number, nthOfKind: number) => Fate): void;
  /** What the running cell is known to have shown, given what was counted: all that stays of one in which the harness fails. */
  seen(counts: Readonly<Record<string, number>>): CellResult['violations'];
  /** What a line of cells.ndjson says of the violations, given the exact counts. */
  tally(
    result: Pick<CellResult, 'strategy' | 'violations'>,
    counts: Readonly<Record<string, number>>,
  ): Pick<CellLine, 'signatures' | 'logged' | 'offered' | 'unlogged'>;
  /** Adds the finished cell. `startedAtMs`: wall clock. Returns the signatures that were not known before. */
  end(line: CellLine, startedAtMs: number): string[];
  totals(): SignatureTotal[];
}

const isPowerOfTwo = (n: number): boolean => Math.log2(n) % 1 === 0;

export function createSignatures(before: readonly SignatureTotal[]): Signatures {
  const known = new Map(before.map((total) => [total.signature, total]));
  let cell = noTally(false);
  return {
    begin(canary = false) {
      cell = noTally(canary);
    },
    offer(record, log) {
      const signature = signatureOf(record);
      const offered = (cell.offered[signature] ?? 0) + 1;
      cell.offered[signature] = offered;
      cell.firstAtMs[signature] ??= record.atMs;
      cell.lastAtMs[signature] = record.atMs;
      const total = known.get(signature);
      const ofCanaries = total?.offeredByCanaries ?? 0;
      const all = total?.offered ?? 0;
      const nthOfKind = offered + (cell.canary ? ofCanaries : all - ofCanaries);
      const isWanted = nthOfKind <= FIRST_RECORDS || isPowerOfTwo(nthOfKind);
      const fate = isWanted ? log(signature, all + offered, nthOfKind) : 'sampledOut';
      cell.fates[fate]++;
      if (fate === 'logged') cell.logged[signature] = (cell.logged[signature] ?? 0) + 1;
    },
    seen: (counts) => seenIn(cell, counts),
    tally(result, counts) {
      const signatures = complete(result, { ...cell.offered, ...counts });
      const { sampledOut, overBudget, lost } = cell.fates;
      return {
        signatures,
        logged: cell.logged,
        offered: cell.offered,
        unlogged: { sampledOut, overBudget, lost, notMade: sumOf(signatures) - sumOf(cell.offered) },
      };
    },
    end(line, startedAtMs) {
      const fresh: string[] = [];
      for (const [signature, count] of Object.entries(line.signatures)) {
        const total = known.get(signature);
        if (total === undefined) fresh.push(signature);
        known.set(signature, addTo(total, signature, count, line, cell, startedAtMs));
      }
      return fresh;
    },
    totals: () => [...known.values()],
  };
}

const noTally = (canary: boolean): CellTally => ({
  canary,
  offered: {},
  logged: {},
  firstAtMs: {},
  lastAtMs: {},
  fates: { logged: 0, sampledOut: 0, overBudget: 0, lost: 0 },
});

function seenIn({ offered, firstAtMs }: CellTally, counts: Readonly<Record<string, number>>): CellResult['violations'] {
  const out: Partial<Record<OracleName, { count: number; firstAtMs: number }>> = {};
  for (const [signature, count] of Object.entries({ ...offered, ...counts })) {
    const oracle = oracleOf(signature);
    const at = firstAtMs[signature] ?? 0;
    const before = out[oracle] ?? { count: 0, firstAtMs: at };
    out[oracle] = { count: before.count + count, firstAtMs: Math.min(before.firstAtMs, at) };
  }
  return out;
}

const oracleOf = (signature: string): OracleName => signature.split('/')[0] as OracleName;

/**
 * Counts by signature that add up to the counts by oracle: a thread that was terminated may have died between the two, and what it
 * had not yet given a place has none.
 */
function complete(
  result: Pick<CellResult, 'strategy' | 'violations'>,
  counts: Readonly<Record<string, number>>,
): Record<string, number> {
  const out = { ...counts };
  for (const [oracle, { count }] of Object.entries(result.violations)) {
    const placed = sumOf(Object.fromEntries(Object.entries(out).filter(([key]) => key.startsWith(`${oracle}/`))));
    if (placed < count) out[`${oracle}/${result.strategy}/-/none`] = count - placed;
  }
  return out;
}

function addTo(
  total: SignatureTotal | undefined,
  signature: string,
  count: number,
  line: CellLine,
  cell: CellTally,
  startedAtMs: number,
): SignatureTotal {
  const seenAt = (atMs: number): SignatureTotal['first'] => ({
    cell: line.index,
    t: Math.round(line.t + atMs),
    at: new Date(startedAtMs + atMs).toISOString(),
  });
  const oracle = oracleOf(signature);
  const [role, point] = signature.split('/').slice(-2) as [string, string];
  const firstAtMs = cell.firstAtMs[signature] ?? line.violations[oracle]?.firstAtMs ?? 0;
  // Without a record, all that is known is that it was before the cell's end.
  const lastAtMs =
    count > (cell.offered[signature] ?? 0) ? line.durationMs : (cell.lastAtMs[signature] ?? line.durationMs);
  const sum = (total?.count ?? 0) + count;
  const offered = line.offered[signature] ?? 0;
  const logged = (total?.logged ?? 0) + (line.logged[signature] ?? 0);
  return {
    signature,
    oracle,
    strategy: line.strategy,
    role,
    point,
    canary: (total?.canary ?? true) && line.canary,
    count: sum,
    cells: (total?.cells ?? 0) + 1,
    offered: (total?.offered ?? 0) + offered,
    offeredByCanaries: (total?.offeredByCanaries ?? 0) + (line.canary ? offered : 0),
    logged,
    notLogged: sum - logged,
    scenarios: [...new Set([...(total?.scenarios ?? []), line.scenario])],
    first: total?.first ?? seenAt(firstAtMs),
    last: seenAt(lastAtMs),
  };
}
