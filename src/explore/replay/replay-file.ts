import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { dirname, isAbsolute, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { z } from 'zod';
import { OdpError, systemReason } from '../../scenario/errors.ts';
import { MAX_THREADS } from '../control/sched.ts';
import type { Finding, SubjectSpec } from '../subject/subject.ts';
import { packRuns, unpackRuns } from './schedule-text.ts';

/** Raised when a reader of the version before could not replay a file. */
export const REPLAY_VERSION = 1;
export const REPLAY_SUFFIX = '.replay.json';

/** How the schedule was come by; for the reader, a replay does not need it. */
export interface HowFound {
  /** Name of the search. */
  readonly search: string;
  readonly seed: number;
  /** Schedules that it had run, with the one that showed it. */
  readonly schedules: number;
  /** What the schedule was like before it was shrunk. */
  readonly shrunkFrom?: { readonly preemptions: number; readonly steps: number };
  /** Every schedule with fewer preemptions was run, and none shows it. */
  readonly fewest?: boolean;
}

/** A schedule that shows a finding, with all that is needed to run it again. */
export interface Replay {
  /** For titles. */
  readonly name: string;
  readonly subject: SubjectSpec;
  /** Thread names, by tid. */
  readonly threads: readonly string[];
  readonly granularity: 'lock' | 'atomic';
  /** Plain accesses are watched for data races. */
  readonly races: boolean;
  readonly timeouts: number;
  readonly maxSteps: number;
  readonly finding: Finding;
  /** Tids of its steps. */
  readonly schedule: readonly number[];
  /** What each step does, `down_read mmap_lock`: by this a replay is compared. As long as the schedule. */
  readonly operations: readonly string[];
  readonly preemptions: number;
  readonly found: HowFound;
}

const count = z.number().int().nonnegative();
const planSchema = z.looseObject({
  scenario: z.string(),
  strategy: z.string(),
  strategyFile: z.strictObject({ url: z.string().min(1), sha256: z.string() }).optional(),
});
const FILE_SCHEMA = z.strictObject({
  odptortureReplay: z.literal(REPLAY_VERSION),
  name: z.string(),
  subject: z.discriminatedUnion('kind', [
    z.strictObject({ kind: z.literal('program'), url: z.string().min(1) }),
    z.strictObject({ kind: z.literal('litmus'), plan: planSchema }),
  ]),
  threads: z.array(z.string()).min(1).max(MAX_THREADS),
  granularity: z.enum(['lock', 'atomic']),
  races: z.boolean(),
  timeouts: count,
  maxSteps: z.number().int().positive().max(10_000_000),
  finding: z.strictObject({ oracle: z.string().min(1), object: z.string(), text: z.string() }),
  preemptions: count,
  found: z.strictObject({
    search: z.string(),
    seed: z.number().int(),
    schedules: count,
    shrunkFrom: z.strictObject({ preemptions: count, steps: count }).optional(),
    fewest: z.boolean().optional(),
  }),
  schedule: z.string(),
  operations: z.array(z.string()),
  steps: z.string(),
});
type FileContent = z.infer<typeof FILE_SCHEMA>;

/** Of the content as written, in this order of its fields. */
const checksumOf = (content: unknown): string =>
  createHash('sha256').update(JSON.stringify(content)).digest('hex').slice(0, 16);

/** One line of JSON. `path` is where it will lie: a program below the same folder is named relative to it. */
export function formatReplay(replay: Replay, path: string, root: string = process.cwd()): string {
  const names = [...new Set(replay.operations)];
  const index = new Map(names.map((name, i) => [name, i]));
  const content: FileContent = {
    odptortureReplay: REPLAY_VERSION,
    name: replay.name,
    subject: portable(replay.subject, path, root) as FileContent['subject'],
    threads: [...replay.threads],
    granularity: replay.granularity,
    races: replay.races,
    timeouts: replay.timeouts,
    maxSteps: replay.maxSteps,
    finding: replay.finding,
    preemptions: replay.preemptions,
    found: replay.found,
    schedule: packRuns(replay.schedule),
    operations: names,
    steps: packRuns(replay.operations.map((name) => index.get(name)!)),
  };
  return `${JSON.stringify({ ...content, checksum: checksumOf(content) })}\n`;
}

/** Throws `ODP_E_OUTPUT` when it cannot be written. */
export function writeReplayFile(path: string, replay: Replay, root?: string): void {
  try {
    writeFileSync(path, formatReplay(replay, path, root));
  } catch (error) {
    const message = `the replay file cannot be written: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_OUTPUT', message, at: path }, { cause: error });
  }
}

/** Throws `ODP_E_REPLAY_INVALID` with what is wrong. */
export function readReplayFile(path: string): Replay {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const message = `the replay file cannot be read: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_REPLAY_INVALID', message, at: path }, { cause: error });
  }
  return parseReplay(text, path);
}

export function parseReplay(text: string, path: string): Replay {
  const wrong = (message: string): OdpError => new OdpError({ code: 'ODP_E_REPLAY_INVALID', message, at: path });
  const { checksum, ...content } = parseObject(text, wrong);
  // The version comes first: everything else may be different in another one.
  const version = content.odptortureReplay;
  if (typeof version !== 'number') throw wrong("it is not a replay file: 'odptortureReplay' is missing");
  if (version !== REPLAY_VERSION)
    throw wrong(`it has version ${version}, this odptorture reads version ${REPLAY_VERSION}`);
  if (typeof checksum !== 'string') throw wrong("'checksum' is missing: it was cut off or edited");
  const actual = checksumOf(content);
  if (checksum !== actual)
    throw wrong(
      `the checksum does not match: it says ${checksum}, the content has ${actual}; it was damaged or edited`,
    );
  const parsed = FILE_SCHEMA.safeParse(content);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw wrong(`'${issue.path.join('.')}': ${issue.message}`);
  }
  return decoded(parsed.data, path, wrong);
}

function parseObject(text: string, wrong: (message: string) => OdpError): Record<string, unknown> {
  if (text.trim() === '') throw wrong('it is empty');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    const cut = text.trimStart().startsWith('{') && !text.trimEnd().endsWith('}');
    throw wrong(cut ? 'it is truncated: its end is missing' : 'it is not JSON');
  }
  if (value === null || typeof value !== 'object' || Array.isArray(value)) throw wrong('it is not a JSON object');
  return value as Record<string, unknown>;
}

function decoded(file: FileContent, path: string, wrong: (message: string) => OdpError): Replay {
  const schedule = unpackRuns(file.schedule, file.maxSteps);
  if (schedule === null) throw wrong(`'schedule' is not a list of threads of at most ${file.maxSteps} steps`);
  const stranger = schedule.find((tid) => tid >= file.threads.length);
  if (stranger !== undefined) throw wrong(`'schedule' names thread ${stranger}, there are only ${file.threads.length}`);
  const steps = unpackRuns(file.steps, file.maxSteps);
  if (steps === null || steps.some((name) => name >= file.operations.length))
    throw wrong("'steps' is not a list of indices into 'operations'");
  if (steps.length !== schedule.length)
    throw wrong(`'steps' has ${steps.length} entries, 'schedule' ${schedule.length}`);
  return {
    name: file.name,
    subject: located(file.subject as SubjectSpec, path),
    threads: file.threads,
    granularity: file.granularity,
    races: file.races,
    timeouts: file.timeouts,
    maxSteps: file.maxSteps,
    finding: file.finding,
    schedule,
    operations: steps.map((name) => file.operations[name]!),
    preemptions: file.preemptions,
    found: {
      search: file.found.search,
      seed: file.found.seed,
      schedules: file.found.schedules,
      ...(file.found.shrunkFrom === undefined ? {} : { shrunkFrom: file.found.shrunkFrom }),
      ...(file.found.fewest === undefined ? {} : { fewest: file.found.fewest }),
    },
  };
}

const below = (folder: string, file: string): boolean => {
  const path = relative(folder, file);
  return path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path);
};

/** The URL of what a user has written: a program, or a strategy; null when all is built in. */
const urlOf = (spec: SubjectSpec): string | null =>
  spec.kind === 'program' ? spec.url : (spec.plan.strategyFile?.url ?? null);

function withUrl(spec: SubjectSpec, url: string): SubjectSpec {
  if (spec.kind === 'program') return { ...spec, url };
  return { ...spec, plan: { ...spec.plan, strategyFile: { ...spec.plan.strategyFile!, url } } };
}

/** A user's file relative to the replay file when both lie below `root`, or the user's below the replay file's folder. */
function portable(spec: SubjectSpec, path: string, root: string): SubjectSpec {
  const given = urlOf(spec);
  if (given === null || !given.startsWith('file:')) return spec;
  const { pathname, search, hash } = new URL(given);
  const own = fileURLToPath(given);
  const file = resolve(path);
  if (!below(dirname(file), own) && !(below(root, own) && below(root, file))) return spec;
  const way = posix.relative(posix.dirname(pathToFileURL(file).pathname), pathname);
  return withUrl(spec, `${way.startsWith('.') ? '' : './'}${way}${search}${hash}`);
}

function located(spec: SubjectSpec, path: string): SubjectSpec {
  const url = urlOf(spec);
  return url?.startsWith('.') === true ? withUrl(spec, new URL(url, pathToFileURL(resolve(path))).href) : spec;
}
