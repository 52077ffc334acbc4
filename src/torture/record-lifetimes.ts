import { COMMAND } from '../hca/device-page-table.ts';
import type { Addr } from '../memory/address.ts';
import { DISAGREE } from '../oracles/hw-sw-disagree.ts';
import type { OracleName } from '../oracles/names.ts';
import type { RawViolation } from '../oracles/report.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { WAIT } from '../sync/task.ts';
import { LIFE } from '../trace/observer.ts';
import type { World } from '../world/world.ts';

type Fields = RawViolation['fields'];

/** One sentence for the oracles of lifetimes, of the device's keys and of starts that must not block. */
export function lifetimeDetail(world: World, oracle: OracleName, f: Fields): string {
  switch (oracle) {
    case 'use-after-free':
      return f.reason === LIFE.container
        ? `a notifier callback runs for process ${f.value}, whose subscription and its words are free`
        : `${objectName(f)} is used after it was freed`;
    case 'double-free':
      return `${objectName(f)} is freed, and was free`;
    case 'hw-sw-disagree':
      return `at rest, of page ${f.page} of umem ${f.umem}: ${DISAGREEMENT[f.reason]} (frame ${f.frame})`;
    case 'dead-key-command':
      return `a ${f.reason === COMMAND.map ? 'map' : 'zap'} command was posted for the key of umem ${f.umem}, which the device does not have`;
    default:
      return `a start that must not block has slept: ${WAIT_NAMES[f.reason] ?? f.reason} ${lockClassName(world.mem, f.value as Addr)}@${f.value}`;
  }
}

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));

const DISAGREEMENT: Readonly<Record<number, string>> = {
  [DISAGREE.software]: 'the driver believes that it is mapped, the device has no entry',
  [DISAGREE.hardware]: 'the device has an entry, the driver believes that there is none',
  [DISAGREE.other]: 'the driver and the device have different entries',
};

function objectName(f: Fields): string {
  if (f.reason === LIFE.container) return `the notifier container of process ${f.value}`;
  const kind = Object.keys(LIFE)[f.reason] ?? 'object';
  return `${kind === 'vma' ? 'VMA' : kind} ${f.value}`;
}
