import type { Actor } from '../trace/actor.ts';
import type { LifeKind } from '../trace/observer.ts';
import * as observerModule from '../trace/observer.ts';
import * as namesModule from './names.ts';
import * as reportModule from './report.ts';
import type { OracleView } from './view.ts';
import * as viewModule from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { LIFE } = observerModule;
const { ORACLE } = namesModule;
const { submit, violate } = reportModule;
const { VIOLATION } = viewModule;

/**
 * use-after-free: a page-fault handler works on a umem whose key is another by now, a callback has got hold of a umem that is free, or runs
 * on a notifier container that is. Lives are numbers: a umem's rises when it is registered and when it is freed. Sound, as whoever frees
 * waits for handlers and leaves the notifier first. A callback that has found a umem that is free *and registered again* is not
 * told from one that has found the new one.
 */
export function reportUseAfterFree(actor: Actor, view: OracleView, kind: LifeKind, id: number): void {
  report(actor, view, ORACLE['use-after-free'], kind, id);
}

/** double-free: a umem, VMA or frame was freed that was free, or a frame's references went below zero. */
export function reportDoubleFree(actor: Actor, view: OracleView, kind: LifeKind, id: number): void {
  report(actor, view, ORACLE['double-free'], kind, id);
}

function report(actor: Actor, view: OracleView, oracle: number, kind: LifeKind, id: number): void {
  const slot = violate(actor, view, oracle);
  if (slot === 0) return;
  const { mem } = view;
  mem[slot + VIOLATION.reason] = kind;
  mem[slot + VIOLATION.value] = id;
  if (kind === LIFE.umem) mem[slot + VIOLATION.umem] = id;
  if (kind === LIFE.container) mem[slot + VIOLATION.mm] = id;
  if (kind === LIFE.frame) mem[slot + VIOLATION.frame] = id;
  submit(view, slot);
}
