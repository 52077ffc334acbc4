import { OdpError } from '../../scenario/errors.ts';
import { MAX_THREADS } from '../control/sched.ts';
import type { Program } from './program.ts';

/** The most words that a program may share; more than any schedule can touch. */
const MAX_WORDS = 1 << 24;

const show = (value: unknown): string => {
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? `'${value}'` : String(value);
};

/** What is wrong with a module that should be a program; empty when nothing is. */
export function programFaults(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [`it exports ${show(value)}, not a program`];
  const { memory, setup, threads, check, names } = value as Readonly<Record<string, unknown>>;
  const faults: string[] = [];
  if (!Number.isInteger(memory) || (memory as number) <= 0 || (memory as number) > MAX_WORDS)
    faults.push(`'memory' is ${show(memory)}; it must be a number of 32-bit words, 1 to ${MAX_WORDS}`);
  faults.push(...threadFaults(threads));
  for (const [name, fn] of Object.entries({ setup, check }))
    if (fn !== undefined && typeof fn !== 'function')
      faults.push(`'${name}' is ${show(fn)}; it must be a function, or left out`);
  faults.push(...nameFaults(names, memory as number));
  return faults;
}

function threadFaults(threads: unknown): string[] {
  if (!Array.isArray(threads)) return [`'threads' is ${show(threads)}; it must be an array of functions`];
  if (threads.length === 0 || threads.length > MAX_THREADS)
    return [`'threads' has ${threads.length} functions; it must have 1 to ${MAX_THREADS}`];
  return threads.flatMap((body, i) => {
    if (typeof body !== 'function') return [`'threads[${i}]' is ${show(body)}; it must be a function`];
    const { name } = (body as () => unknown).constructor;
    return name === 'Function'
      ? []
      : [
          `'threads[${i}]' is an async function or a generator; its body would run outside of every schedule: write a plain function`,
        ];
  });
}

function nameFaults(names: unknown, memory: number): string[] {
  if (names === undefined) return [];
  if (typeof names !== 'object' || names === null || Array.isArray(names))
    return [`'names' is ${show(names)}; it must be an object of names and words`];
  return Object.entries(names).flatMap(([name, word]) =>
    Number.isInteger(word) && word >= 0 && word < memory
      ? []
      : [`'names.${name}' is ${show(word)}; it must be a word of the memory, 0 to ${memory - 1}`],
  );
}

export function checkProgramShape(value: unknown, where: string): Program {
  const faults = programFaults(value);
  if (faults.length > 0)
    throw new OdpError(faults.map((message) => ({ code: 'ODP_E_PROGRAM_INVALID', message, at: where })));
  return value as Program;
}
