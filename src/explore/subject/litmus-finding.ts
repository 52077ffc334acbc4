import { LEAK } from '../../oracles/leak.ts';
import { ORACLE_NAMES } from '../../oracles/names.ts';
import type { RawViolation } from '../../oracles/report.ts';
import { lockClassName } from '../../sync/lock-class.ts';
import { heldAddr } from '../../sync/task.ts';
import { violationRecord } from '../../torture/record.ts';
import { cycleName } from '../../torture/record-locks.ts';
import { LIFE } from '../../trace/observer.ts';
import type { World } from '../../world/world.ts';
import type { Finding } from './subject.ts';

/** What an oracle left in the arena, as a finding: in the words of a violation's record. */
export function findingOf(world: World, raw: RawViolation): Finding {
  return {
    oracle: ORACLE_NAMES[raw.fields.oracle]!,
    object: objectOf(world, raw),
    text: violationRecord(world, raw).detail,
  };
}

/** What it is about. Two schedules with the same fault have the same object, so nothing in it may depend on the order of steps. */
function objectOf(world: World, raw: RawViolation): string {
  const f = raw.fields;
  const umem = f.umem > 0 ? `umem ${f.umem}` : '';
  switch (ORACLE_NAMES[f.oracle]) {
    case 'counter-underflow':
    case 'counter-leak':
      return umem === '' ? 'process' : umem;
    case 'inactive-while-idle':
      return umem;
    case 'unpaired-section':
      return world.plan.threads[f.tid]?.name ?? '';
    case 'lock-order':
      return cycleName(raw);
    case 'unlock-not-owner':
      return lockClassName(world.mem, heldAddr(f.value));
    case 'use-after-free':
    case 'double-free':
      return `${Object.keys(LIFE)[f.reason] ?? 'object'} ${f.value}`;
    case 'dead-key-command':
      return umem;
    case 'sleep-in-nonblockable':
      return world.plan.threads[f.tid]?.name ?? '';
    case 'leak':
      return f.reason === LEAK.frame ? `frame ${f.frame}` : umem;
    default:
      if (f.page < 0) return `frame ${f.frame}`;
      return umem === '' ? `page ${f.page}` : `${umem} page ${f.page}`;
  }
}
