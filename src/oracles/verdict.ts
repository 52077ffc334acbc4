import { ORACLE_NAMES, type OracleName } from './names.ts';

export type Verdict = 'SUCCESS' | 'FAILURE' | 'UNKNOWN';

export interface Judgement {
  readonly verdict: Verdict;
  /** null: too little evidence to say. */
  readonly asExpected: boolean | null;
  /** Why, when it is UNKNOWN or not as expected; else empty. */
  readonly why: string;
}

export interface Evidence {
  /** Violations by oracle. */
  readonly counts: Readonly<Partial<Record<OracleName, number>>>;
  readonly must: readonly string[];
  readonly may: readonly string[];
  /** What was exposed too seldom for "no violation" to mean anything, each as a sentence; empty when there is enough. */
  readonly lacking: readonly string[];
  /** A thread crashed or hung: what was seen is still true, what was not seen means nothing. */
  readonly broken: string | null;
}

/**
 * Judges one cell. FAILURE: a violation was seen. SUCCESS: none, and the dangerous windows were hit often enough. UNKNOWN: none, but
 * that means little. As expected: every oracle in `must` was seen, and none outside `must` and `may`; a `must` that was not seen with too little
 * evidence is unknown, not wrong.
 */
export function judge({ counts, must, may, lacking, broken }: Evidence): Judgement {
  const seen = ORACLE_NAMES.filter((name) => (counts[name] ?? 0) > 0);
  const thin = [...(broken === null ? [] : [broken]), ...lacking];
  const verdict: Verdict = seen.length > 0 ? 'FAILURE' : thin.length > 0 ? 'UNKNOWN' : 'SUCCESS';
  const unexpected = seen.filter((name) => !must.includes(name) && !may.includes(name));
  if (unexpected.length > 0) return { verdict, asExpected: false, why: `not expected: ${unexpected.join(', ')}` };
  const missing = must.filter((name) => !(seen as readonly string[]).includes(name));
  if (missing.length > 0 && thin.length === 0)
    return { verdict, asExpected: false, why: `expected and not seen: ${missing.join(', ')}` };
  if (missing.length > 0)
    return { verdict, asExpected: null, why: `not seen: ${missing.join(', ')}; ${thin.join('; ')}` };
  if (broken !== null) return { verdict, asExpected: null, why: broken };
  if (verdict === 'UNKNOWN') return { verdict, asExpected: null, why: thin.join('; ') };
  return { verdict, asExpected: true, why: '' };
}
