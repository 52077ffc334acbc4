import { didYouMean } from '../scenario/suggest.ts';
import { EXPOSURES } from '../trace/counters.ts';

/** A condition that ends a soak: `violations=1`, `exposures=1e6`, `exposures.register-in-section=1000000`, `cells=20`, `rotations=3`. */
export interface Until {
  readonly text: string;
  readonly what: 'violations' | 'exposures' | 'cells' | 'rotations';
  /** One kind of exposure; null: all. */
  readonly name: string | null;
  readonly least: number;
}

/** What conditions look at; canaries do not count. */
export interface Reached {
  readonly violations: number;
  readonly exposures: Readonly<Record<string, number>>;
  readonly cells: number;
  readonly rotations: number;
}

const KINDS = ['violations', 'exposures', 'cells', 'rotations'] as const;

/** A condition, or a sentence that says what is wrong with the text. */
export function parseUntil(text: string): Until | string {
  const match = /^([a-z]+)(?:\.([a-z-]+))?=(\d+(?:e\d+)?)$/.exec(text.trim());
  if (match === null)
    return `'${text}' is not of the form violations=N, exposures=N, exposures.<name>=N, cells=N or rotations=N`;
  const [, what, name, least] = match as unknown as [string, string, string | undefined, string];
  const kind = KINDS.find((one) => one === what);
  if (kind === undefined) return `'${text}': nothing is called '${what}'${didYouMean(what, KINDS)}`;
  if (name !== undefined && kind !== 'exposures') return `'${text}': ${what} have no kinds`;
  const known = EXPOSURES.map((exposure) => exposure.name);
  if (name !== undefined && !known.some((one) => one === name))
    return `'${text}': no exposure '${name}'${didYouMean(name, known)}`;
  if (Number(least) < 1) return `'${text}': it is reached before the first cell`;
  return { text: text.trim(), what: kind, name: name ?? null, least: Number(least) };
}

/** The first condition that holds. */
export const reachedOf = (conditions: readonly Until[], reached: Reached): Until | undefined =>
  conditions.find(({ what, name, least }) => {
    if (what !== 'exposures') return reached[what] >= least;
    const counts = reached.exposures;
    return (name === null ? Object.values(counts).reduce((a, b) => a + b, 0) : (counts[name] ?? 0)) >= least;
  });

/** Hours and minutes of a local wall clock. */
export interface TimeOfDay {
  readonly hours: number;
  readonly minutes: number;
}

/** `07:00`; null when it is no time of day. */
export function parseTimeOfDay(text: string): TimeOfDay | null {
  const match = /^([01]?\d|2[0-3]):([0-5]\d)$/.exec(text.trim());
  return match === null ? null : { hours: Number(match[1]), minutes: Number(match[2]) };
}

/**
 * The next moment, after `now`, at which a local clock shows this time. Days are counted on the calendar: one with a change of the
 * clocks has 23 or 25 hours.
 */
export function nextOccurrence({ hours, minutes }: TimeOfDay, now: Date): Date {
  const day = (plus: number): Date =>
    new Date(now.getFullYear(), now.getMonth(), now.getDate() + plus, hours, minutes, 0, 0);
  return day(0) > now ? day(0) : day(1);
}
