import { parseDuration } from '../src/scenario/duration.ts';

/** A flag's whole number of at least `least`; throws `RangeError` for anything else. */
export function wholeOf(flag: string, text: string, least = 1): number {
  const number = Number(text);
  if (!Number.isInteger(number) || number < least)
    throw new RangeError(`${flag} ${text}: a whole number of at least ${least}`);
  return number;
}

/** A flag's time in milliseconds. */
export function durationOf(flag: string, text: string): number {
  const ms = parseDuration(text);
  if (ms === null || ms <= 0) throw new RangeError(`${flag} ${text}: a duration such as 60s`);
  return ms;
}
