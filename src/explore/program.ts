import { type Addr, LINE_WORDS, type Memory } from '../memory/address.ts';
import { createTask, TASK, type Task } from '../sync/task.ts';
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

export async function loadProgram(url: string): Promise<Program> {
  const module = (await import(url)) as { default?: Program } & Program;
  return module.default ?? module;
}

/** One thread of a program. */
export async function programThread(url: string, mem: Memory, tid: number): Promise<SubjectThread> {
  const program = await loadProgram(url);
  const body = program.threads[tid]!;
  const task = createTask(mem, tid, taskAddr(program, tid));
  const run = () => body(task);
  return { prepare: () => run };
}

/** A program as the driver sees it. */
export function programSubject(name: string, program: Program): Subject {
  const names = new Map(Object.entries(program.names ?? {}).map(([text, addr]) => [addr, text]));
  return {
    name,
    threads: program.threads.length,
    names: program.threads.map((body, tid) => body.name || `T${tid + 1}`),
    words: programWords(program) + program.threads.length * TASK_STRIDE,
    setup: (mem) => program.setup?.(mem),
    check: (mem) => checkProgram(program, mem),
    nameOf: (addr) => names.get(addr) ?? `word ${addr}`,
  };
}

function checkProgram(program: Program, mem: Memory): readonly Finding[] {
  try {
    const text = program.check?.(mem);
    return text === undefined ? [] : [{ oracle: 'assertion', object: '', text }];
  } catch (error) {
    return [{ oracle: 'assertion', object: '', text: error instanceof Error ? error.message : String(error) }];
  }
}
