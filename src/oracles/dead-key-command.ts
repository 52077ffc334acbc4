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
 * dead-key-command: the driver has posted a map or a zap for a key that the device has not created yet, or has destroyed. The device answers
 * with an error completion, and the queue of the driver's own commands is broken (abb604a1a9c8 "CQE with error"). A driver that is right
 * asks for nothing where nothing is mapped, and destroys a key when nobody knows of it any more.
 */
export function reportDeadKey(actor: Actor, view: OracleView, index: number, command: number): void {
  const slot = violate(actor, view, ORACLE['dead-key-command']);
  if (slot === 0) return;
  view.mem[slot + VIOLATION.umem] = index;
  view.mem[slot + VIOLATION.reason] = command;
  submit(view, slot);
}
