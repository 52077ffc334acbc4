/** Process exit codes; part of the public interface. */
export const EXIT = {
  ok: 0,
  violation: 1,
  usage: 2,
  threshold: 3,
  unknown: 4,
  crash: 6,
  io: 7,
  internal: 70,
  sigint: 130,
  sigterm: 143,
} as const;

/** Stable codes: scripts match on them. Append, never rename. */
export const ERROR_CODES = {
  ODP_E_USAGE: EXIT.usage,
  ODP_E_STRATEGY_UNKNOWN: EXIT.usage,
  ODP_E_SCENARIO_UNKNOWN: EXIT.usage,
  ODP_E_SCENARIO_UNREADABLE: EXIT.usage,
  ODP_E_YAML: EXIT.usage,
  ODP_E_SCENARIO_INVALID: EXIT.usage,
  ODP_E_AREA: EXIT.usage,
  ODP_E_FRAMES: EXIT.usage,
  ODP_E_THREADS: EXIT.usage,
  ODP_E_ROLE: EXIT.usage,
  ODP_E_MEMORY: EXIT.usage,
  ODP_E_PARAM: EXIT.usage,
  ODP_E_THRESHOLD: EXIT.usage,
  ODP_E_REPLAY_INVALID: EXIT.usage,
  ODP_E_PROGRAM_INVALID: EXIT.usage,
  ODP_E_PROGRAM_UNSEEN: EXIT.usage,
  ODP_E_PROGRAM_UNSEEN_ATOMICS: EXIT.usage,
  ODP_E_PROGRAM_NONDETERMINISTIC: EXIT.usage,
  ODP_E_RESUME: EXIT.usage,
  ODP_E_VIOLATION_UNREADABLE: EXIT.usage,
  ODP_E_VIOLATION_INVALID: EXIT.usage,
  ODP_E_VIOLATION_UNDRAWABLE: EXIT.usage,
  ODP_E_STRATEGY_FILE: EXIT.usage,
  ODP_E_STRATEGY_HOOK: EXIT.crash,
  ODP_E_EXPLORE_HUNG: EXIT.crash,
  ODP_E_EXPLORE_CRASHED: EXIT.crash,
  ODP_E_INJECT: EXIT.usage,
  ODP_E_ERA: EXIT.usage,
  ODP_E_CAMPAIGN_UNKNOWN: EXIT.usage,
  ODP_E_CAMPAIGN_UNREADABLE: EXIT.usage,
  ODP_E_CAMPAIGN_INVALID: EXIT.usage,
  ODP_E_IN_USE: EXIT.usage,
  ODP_E_RESULTS: EXIT.usage,
  ODP_E_DUMP_MISSING: EXIT.usage,
  ODP_E_DUMP_DAMAGED: EXIT.usage,
  ODP_E_DUMP_ALIEN: EXIT.usage,
  ODP_E_QUERY_NO_RUN: EXIT.usage,
  ODP_E_QUERY_NO_DUCKDB: EXIT.usage,
  ODP_E_QUERY_SQL: EXIT.usage,
  ODP_E_OUTPUT: EXIT.io,
  ODP_E_LOG_LOST: EXIT.io,
  ODP_E_INTERNAL: EXIT.internal,
} as const;
export type ErrorCode = keyof typeof ERROR_CODES;

/** A place in a file; line and column count from 1. */
export interface Position {
  readonly file: string;
  readonly line: number;
  readonly col: number;
}

/** One thing that is wrong. `at` is a place in a file, or only the file's name. */
export interface Issue {
  readonly code: ErrorCode;
  readonly message: string;
  readonly at?: Position | string;
}

/** One line: `CODE file:line:col: message`. */
export function formatIssue(issue: Issue): string {
  const at = issue.at;
  const where = at === undefined ? '' : typeof at === 'string' ? ` ${at}` : ` ${at.file}:${at.line}:${at.col}`;
  return `${issue.code}${where}: ${issue.message.replaceAll(/\s*\n\s*/g, ' ')}`;
}

/** Something that the user can put right. Carries one or more issues, each with a stable code, and the exit code that follows. */
export class OdpError extends Error {
  readonly issues: readonly Issue[];
  readonly exitCode: number;

  constructor(issues: Issue | readonly Issue[], options?: ErrorOptions) {
    const all = Array.isArray(issues) ? (issues as readonly Issue[]) : [issues as Issue];
    super(all.map(formatIssue).join('\n'), options);
    this.name = 'OdpError';
    this.issues = all;
    this.exitCode = all.length === 0 ? EXIT.internal : ERROR_CODES[all[0]!.code];
  }

  get code(): ErrorCode {
    return this.issues[0]?.code ?? 'ODP_E_INTERNAL';
  }
}

/** The system's code of a failed call (`ENOENT`, ...), or the message when there is none. */
export const systemReason = (error: unknown): string => {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : error instanceof Error ? error.message : String(error);
};
