import { keyClass, keySubclass, LOCK_ORDER } from '../oracles/lock-order.ts';
import { ORACLE } from '../oracles/names.ts';
import type { RawViolation } from '../oracles/report.ts';
import type { LockDescription, LockOrderRecord } from '../results/types.ts';
import { LOCK_CLASSES, lockClassName } from '../sync/lock-class.ts';
import { HELD, heldAddr, heldMode } from '../sync/task.ts';
import { pointName } from '../trace/points.ts';
import type { World } from '../world/world.ts';

const MODE_NAMES = Object.keys(HELD) as LockDescription['mode'][];
/** As the kernel's graph has them: exclusive or shared, then waiting or not. */
const KIND_NAMES = ['EN', 'ER', 'SN', 'SR'] as const;

/** `i_mmap_rwsem/1`: a class with its subclass. */
const keyName = (key: number): string => {
  const name = LOCK_CLASSES[keyClass(key)] ?? 'unclassified';
  return keySubclass(key) === 0 ? name : `${name}/${keySubclass(key)}`;
};

/** The cycle of a lock-order violation; nothing for any other. */
export function lockOrderOf(world: World, raw: RawViolation): { lockOrder?: LockOrderRecord } {
  const f = raw.fields;
  if (f.oracle !== ORACLE['lock-order'] || raw.chain.length === 0) return {};
  const held = raw.held.map(
    ({ word, key }): LockDescription => ({
      name: key < 0 ? lockClassName(world.mem, heldAddr(word)) : keyName(key),
      address: heldAddr(word),
      mode: MODE_NAMES[heldMode(word)]!,
    }),
  );
  const [added] = raw.chain;
  const acquiring = { name: keyName(added!.on), address: f.value, mode: MODE_NAMES[f.expectedValue]! };
  return {
    lockOrder: {
      kind: f.reason === LOCK_ORDER.recursive ? 'recursive' : 'circular',
      acquiring,
      holding: held[f.seq] ?? { name: keyName(added!.addr), address: 0, mode: 'mutex' },
      chain: raw.chain.map(({ tid, kind, addr, on }) => ({
        from: keyName(addr),
        to: keyName(on),
        modes: KIND_NAMES.filter((_, i) => (kind & (1 << i)) !== 0),
        thread: world.plan.threads[tid]?.name ?? `thread ${tid}`,
        point: kind >>> 4 === 0 ? null : pointName((kind >>> 4) - 1),
      })),
      held,
    },
  };
}

/** One sentence on a lock order. */
export function lockOrderDetail(world: World, raw: RawViolation): string {
  const { lockOrder } = lockOrderOf(world, raw);
  if (lockOrder === undefined) return 'two orders of locks that could meet; the chain was lost';
  const { kind, chain, acquiring, holding } = lockOrder;
  if (kind === 'recursive')
    return `possible recursive locking: ${acquiring.name} (${acquiring.mode}) is taken while ${holding.name} (${holding.mode}) is held`;
  return `possible circular locking dependency: ${[chain[0]!.to, ...chain.slice(1).map(({ to }) => to)].join(' --> ')} was there, and now ${chain[0]!.to} is taken under ${chain[0]!.from}`;
}

/** The classes of a cycle, from the first by name: the same whichever thread closes it. */
export function cycleName(raw: RawViolation): string {
  const names = raw.chain.map(({ on }) => keyName(on));
  const first = names.reduce((best, name, i) => (name < names[best]! ? i : best), 0);
  return [...names.slice(first), ...names.slice(0, first)].join(' --> ');
}

export const notOwnerDetail = (world: World, { fields }: RawViolation): string =>
  `${lockClassName(world.mem, heldAddr(fields.value))}@${fields.value} (${MODE_NAMES[fields.expectedValue]}) was released by a thread that does not hold it`;
