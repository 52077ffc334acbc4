import { fileURLToPath } from 'node:url';
import { type Addr, LINE_WORDS, type Memory } from '../../memory/address.ts';
import { OdpError } from '../../scenario/errors.ts';
import { lockClassName } from '../../sync/lock-class.ts';
import { createTask, HELD, type LockDep, TASK, type Task } from '../../sync/task.ts';
import { userModule } from '../../torture/user-module.ts';
import { guardProgram } from './program-guard.ts';
import { checkProgramShape } from './program-shape.ts';
import type { Finding, Subject, SubjectThread } from './subject.ts';

/**
 * A program of a user: a module that exports these, over the primitives of `odptorture/sync`. Its threads share `memory` words and
 * nothing else.
 */
export interface Program {
  /** Words of shared memory, all 0 at first. */
  readonly memory: number;
  /** Writes the starting state; runs alone. */
  setup?(mem: Memory): void;
  /** What each thread does. What it throws is a finding. */
  readonly threads: readonly ((task: Task) => void)[];
  /** Looks at the end state, alone; throws, or returns what is wrong. */
  check?(mem: Memory): string | undefined;
  /** Names of words, for timelines. */
  readonly names?: Readonly<Record<string, number>>;
}

const TASK_STRIDE = Math.ceil(TASK.$words / LINE_WORDS) * LINE_WORDS;
const programWords = (program: Program): number => Math.ceil(program.memory / LINE_WORDS) * LINE_WORDS;
const taskAddr = (program: Program, tid: number): Addr => (programWords(program) + tid * TASK_STRIDE) as Addr;

/** A module may hold several programs: `file.js#name` is its export of that name; without a name it is the default export, or the module itself. */
export async function loadProgram(url: string): Promise<Program> {
  const { href, hash } = new URL(url);
  const module = await importProgram(href.slice(0, href.length - hash.length));
  const name = decodeURIComponent(hash.slice(1));
  if (name === '') return checkProgramShape(module.default ?? module, placeOf(url));
  if (module[name] === undefined) {
    const message = `it has no export '${name}'; it exports ${Object.keys(module).join(', ')}`;
    throw new OdpError({ code: 'ODP_E_PROGRAM_INVALID', message, at: placeOf(url) });
  }
  return checkProgramShape(module[name], placeOf(url));
}

async function importProgram(url: string): Promise<Record<string, unknown>> {
  try {
    return (await import(userModule(url))) as Record<string, unknown>;
  } catch (cause) {
    const message = `it cannot be loaded: ${cause instanceof Error ? cause.message : String(cause)}`;
    throw new OdpError({ code: 'ODP_E_PROGRAM_INVALID', message, at: placeOf(url) }, { cause });
  }
}

/** A file as users write it. */
const placeOf = (url: string): string => (url.startsWith('file:') ? fileURLToPath(url) + new URL(url).hash : url);

/** One thread of a program. */
export async function programThread(url: string, mem: Memory, tid: number): Promise<SubjectThread> {
  // Before the program is loaded: what it takes from `Atomics` and the like is guarded then.
  const guard = guardProgram(mem);
  const program = await loadProgram(url);
  const body = program.threads[tid]!;
  const name = threadName(program, tid);
  const owner = createOwnership();
  const task = createTask(mem, tid, taskAddr(program, tid), null, owner.lockDep);
  const act = () => {
    owner.wrong = '';
    const result: unknown = body(task);
    if (owner.wrong !== '') throw new Error(owner.wrong);
    return result;
  };
  const run = () => guard.run(act, name);
  return { prepare: () => run };
}

interface Ownership {
  readonly lockDep: LockDep;
  /** The first release of a lock that was not held, in words; empty: none. Said at the end: a step that throws would be none. */
  wrong: string;
}

/**
 * Who may release a lock is checked; in which order they are taken is not: the classes of a program's locks are its own, often one for all, and
 * a search in every order finds the deadlocks themselves.
 */
function createOwnership(): Ownership {
  const none = (): void => {};
  const owner: Ownership = {
    wrong: '',
    lockDep: {
      subclass: 0,
      nest: 0,
      acquiring: none,
      acquired: none,
      acquiredAtOnce: none,
      acquiredRaw: none,
      removed: none,
      notOwner(task, lock, mode) {
        const how = Object.entries(HELD).find(([, m]) => m === mode)?.[0] ?? '';
        if (owner.wrong === '')
          owner.wrong = `unlock-not-owner: ${lockClassName(task.mem, lock)}@${lock} (${how}) was released and is not held; it stays as it is`;
      },
      mapAddr: () => 0 as Addr,
    },
  };
  return owner;
}

/** A program as the driver sees it. */
export function programSubject(name: string, program: Program): Subject {
  const names = new Map(Object.entries(program.names ?? {}).map(([text, addr]) => [addr, text]));
  return {
    name,
    threads: program.threads.length,
    names: program.threads.map((_, tid) => threadName(program, tid)),
    words: programWords(program) + program.threads.length * TASK_STRIDE,
    setup: (mem) => program.setup?.(mem),
    check: (mem) => checkProgram(program, mem),
    nameOf: (addr) => wordName(program, names, addr),
  };
}

const threadName = (program: Program, tid: number): string => program.threads[tid]!.name || `T${tid + 1}`;

/** A word behind a named one is called by that name: `slots+2`. */
function wordName(program: Program, names: ReadonlyMap<number, string>, addr: number): string {
  const words = programWords(program);
  if (addr >= words) {
    const tid = Math.floor((addr - words) / TASK_STRIDE);
    return `task of ${threadName(program, tid)}+${addr - words - tid * TASK_STRIDE}`;
  }
  for (let offset = 0; offset < LINE_WORDS && offset <= addr; offset++) {
    const name = names.get(addr - offset);
    if (name !== undefined) return offset === 0 ? name : `${name}+${offset}`;
  }
  return `word ${addr}`;
}

function checkProgram(program: Program, mem: Memory): readonly Finding[] {
  try {
    const text = program.check?.(mem);
    return text === undefined ? [] : [{ oracle: 'assertion', object: '', text }];
  } catch (error) {
    return [{ oracle: 'assertion', object: '', text: error instanceof Error ? error.message : String(error) }];
  }
}
