import type { Addr } from '../memory/address.ts';
import type { Actor } from '../trace/actor.ts';
import * as namesModule from './names.ts';
import * as reportModule from './report.ts';
import type { OracleView } from './view.ts';
import * as viewModule from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { ORACLE } = namesModule;
const { submit, violate } = reportModule;
const { VIOLATION } = viewModule;

/**
 * sleep-in-nonblockable: a start callback that must not block (the OOM reaper's) has slept. Looked for where a thread is about to sleep, so
 * that no fast path pays for it: a lock that was free when it was taken without a try is not seen on free threads, and is on those of a
 * controlled run. A spin lock does not sleep.
 */
export function reportSleep(actor: Actor, view: OracleView, kind: number, addr: Addr): void {
  const slot = violate(actor, view, ORACLE['sleep-in-nonblockable']);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.reason] = kind;
  view.mem[slot + VIOLATION.value] = addr;
  submit(view, slot);
}
