import { type ErrorCode, type Issue, OdpError } from '../../scenario/errors.ts';
import type { Frame } from '../races/race-sites.ts';

/** A fault of a program as such, not of one schedule: it cannot be explored. */
const CODES = [
  'ODP_E_PROGRAM_UNSEEN_ATOMICS',
  'ODP_E_PROGRAM_NONDETERMINISTIC',
] as const satisfies readonly ErrorCode[];
export type ProgramErrorCode = (typeof CODES)[number];

/** Thrown on an explored thread. Its message comes to the driver as text, with the code in front. */
export const programError = (code: ProgramErrorCode, message: string, at?: Frame): OdpError => {
  const where = at === undefined ? {} : { at: { file: at.file, line: at.line, col: at.col } };
  return new OdpError({ code, message, ...where });
};

const PLACE = /^ (.*):(\d+):(\d+)$/;

/** Throws when `text`, the message that a thread threw, says that its program cannot be explored. */
export function throwProgramError(text: string): void {
  const code = CODES.find((one) => text.startsWith(one));
  if (code === undefined) return;
  const colon = text.indexOf(': ');
  const place = PLACE.exec(text.slice(code.length, colon));
  const message = text.slice(colon + 2);
  const issue: Issue =
    place === null
      ? { code, message }
      : { code, message, at: { file: place[1]!, line: Number(place[2]), col: Number(place[3]) } };
  throw new OdpError(issue);
}
