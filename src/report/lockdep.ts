import type { LockDescription, LockOrderRecord, ViolationRecord } from '../results/types.ts';

const RULE = '='.repeat(54);
const THIN = '-'.repeat(54);

/** A lock's wait type, twice, as the kernel prints it: 4 may sleep, 3 spins, 0 is none. */
const waitType = (mode: LockDescription['mode']): string =>
  mode === 'spin' ? '{3:3}' : mode === 'srcu' || mode === 'map' ? '{0:0}' : '{4:4}';

const lockText = ({ name, address, mode }: LockDescription): string =>
  `${address.toString(16).padStart(8, '0')} (${name})-${waitType(mode)}, ${mode}`;

const call = (name: string, modes: readonly string[]): string =>
  `${modes.every((m) => m.startsWith('S')) ? 'rlock' : 'lock'}(${name});`;

/** `A --> B --> C`: every lock of the cycle, from the one that is acquired to the one that is held. */
export function chainText({ chain }: LockOrderRecord): string {
  return [chain[0]!.to, ...chain.slice(1).map(({ to }) => to)].join(' --> ');
}

const where = (point: string | null): string => (point === null ? '' : `, last at ${point}`);

function dependencies({ kind, chain }: LockOrderRecord): string[] {
  if (kind === 'recursive') return [];
  const entries = chain.map(({ from, to, modes, thread, point }, i) => [
    '',
    `-> #${i} (${to}){${modes.join(' ')}}:`,
    `       taken under ${from} by ${thread}${where(point)}`,
  ]);
  return ['the existing dependency chain (in reverse order) is:', ...entries.reverse().flat(), ''];
}

/** One thread's calls are in the left column, another's in the right. */
function scenario({ kind, acquiring, holding, chain }: LockOrderRecord): string[] {
  const right = (text: string): string => `${' '.repeat(31)}${text}`;
  const [left, last] = [acquiring, holding].map((l) =>
    call(l.name, [l.mode === 'read' || l.mode === 'srcu' ? 'S' : 'E']),
  ) as [string, string];
  if (kind === 'recursive') return ['       CPU0', '       ----', `  ${last}`, `  ${left}`];
  const closing = chain.at(-1)!;
  return [
    '       CPU0                    CPU1',
    '       ----                    ----',
    `  ${last}`,
    right(call(closing.from, closing.modes)),
    right(`lock(${closing.to});`),
    `  ${left}`,
  ];
}

/**
 * A lock order in the sections of the kernel's lockdep, in their order, for people who know them from there. What it says of stacks is
 * said here of points: the last one that the thread had passed when it took the lock.
 */
export function lockdepReport({ lockOrder, thread, strategy, scenario: name, seed }: ViolationRecord): string[] {
  if (lockOrder === undefined) return [];
  const { kind, acquiring, holding, chain, held } = lockOrder;
  const task = `${thread.name}/${thread.tid}`;
  const circular = kind === 'circular';
  return [
    RULE,
    `WARNING: possible ${circular ? 'circular locking dependency' : 'recursive locking'} detected`,
    `odptorture ${name} ${strategy} seed=${seed}`,
    circular ? THIN : '-'.repeat(44),
    `${task} is trying to acquire lock:`,
    `${lockText(acquiring)}, at: ${chain[0]!.point ?? 'unknown'}`,
    '',
    'but task is already holding lock:',
    lockText(holding),
    '',
    ...(circular ? ['which lock already depends on the new lock.', ''] : []),
    ...dependencies(lockOrder),
    'other info that might help us debug this:',
    '',
    ...(circular ? ['Chain exists of:', `  ${chainText(lockOrder)}`, ''] : []),
    ' Possible unsafe locking scenario:',
    '',
    ...scenario(lockOrder),
    '',
    ' *** DEADLOCK ***',
    '',
    `${held.length} lock${held.length === 1 ? '' : 's'} held by ${task}:`,
    ...held.map((lock, i) => ` #${i}: ${lockText(lock)}`),
    RULE,
  ];
}
