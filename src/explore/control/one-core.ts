import { spawnSync } from 'node:child_process';

/** A command, as it is to be started. */
export interface OneCore {
  readonly pinned: boolean;
  readonly command: string;
  readonly args: readonly string[];
}

type Prefix = (core: number) => readonly string[];

const PIN: Prefix = (core) => ['taskset', '-c', String(core)];
const BATCH: Prefix = () => ['chrt', '--batch', '0'];
/** What may be put before a command, the best first. */
const PREFIXES: readonly { readonly pinned: boolean; readonly words: Prefix }[] = [
  { pinned: true, words: (core) => [...BATCH(core), ...PIN(core)] },
  { pinned: true, words: PIN },
  { pinned: false, words: BATCH },
];

/** The first of PREFIXES that works here; null: none does. Undefined until it was asked for. */
let best: (typeof PREFIXES)[number] | null | undefined;

/**
 * How to start a command whose threads take turns. On one core, because a hand-over between two of them costs a tenth there: neither core
 * has to be woken. And as a batch (SCHED_BATCH, which needs no privilege): else a thread that is woken takes the core at once from the
 * one that woke it and is about to sleep, and each hand-over switches nearly twice. Where the system has neither, or does not allow
 * it, the command is started as it is; so it is with a `core` of -1.
 */
export function onOneCore(core: number, command: string, args: readonly string[]): OneCore {
  const prefix = core < 0 ? null : bestPrefix(core);
  if (prefix === null) return { pinned: false, command, args };
  const [first, ...words] = prefix.words(core);
  return { pinned: prefix.pinned, command: first!, args: [...words, command, ...args] };
}

/** Tried once, with a command that does nothing: what is installed may still be forbidden, as in some containers. */
function bestPrefix(core: number): (typeof PREFIXES)[number] | null {
  if (best === undefined)
    best = process.platform === 'linux' ? (PREFIXES.find(({ words }) => works(words(core))) ?? null) : null;
  return best;
}

function works([command, ...args]: readonly string[]): boolean {
  return spawnSync(command!, [...args, 'true'], { stdio: 'ignore', timeout: 2000 }).status === 0;
}
