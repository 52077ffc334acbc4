import type { Addr, Memory } from '../memory/address.ts';
import { NULL_ADDR } from '../memory/address.ts';
import { defineStruct } from '../memory/struct.ts';
import { load, notify, store, wait } from './atomics.ts';
import { SPIN_LOCK } from './spin-lock.ts';
import { clearWait, NODE_IDLE, NODE_WAITING, publishWait, type Task, WAIT_NODE, type WaitKind } from './task.ts';

/**
 * The queue of sleepers in a mutex or rwsem: first in, first out, made of the threads' own wait nodes. Everything but the
 * spin lock itself is read and written only with that lock held; a plain look from outside (`waiters`) is a statistic.
 */
export const WAIT_LIST = defineStruct('wait_list', { lock: SPIN_LOCK.$words, head: 1, tail: 1, waiters: 1 });

/**
 * A queued thread that was woken this often and found the lock taken by a thread that never queued asks for a hand-off: from
 * then on nobody may overtake it. Overtaking pays (a wake-up is a hundred times an acquisition), but must have a bound.
 */
export const HANDOFF_AFTER = 4;

export function waitListInit(mem: Memory, list: Addr): void {
  for (let i = 0; i < WAIT_LIST.$words; i++) mem[list + i] = 0;
}

export const waitListHead = (mem: Memory, list: Addr): Addr => mem[list + WAIT_LIST.head] as Addr;
export const nodeNext = (mem: Memory, node: Addr): Addr => mem[node + WAIT_NODE.next] as Addr;
export const nodeMode = (mem: Memory, node: Addr): number => mem[node + WAIT_NODE.mode];

/** Appends `node`, which will sleep for the lock in `mode`. */
export function waitListAdd(mem: Memory, list: Addr, node: Addr, mode: number): void {
  const tail = mem[list + WAIT_LIST.tail];
  mem[node + WAIT_NODE.mode] = mode;
  mem[node + WAIT_NODE.misses] = 0;
  mem[node + WAIT_NODE.next] = NULL_ADDR;
  mem[node + WAIT_NODE.prev] = tail;
  if (tail === NULL_ADDR) mem[list + WAIT_LIST.head] = node;
  else mem[tail + WAIT_NODE.next] = node;
  mem[list + WAIT_LIST.tail] = node;
  mem[list + WAIT_LIST.waiters]++;
}

export function waitListRemove(mem: Memory, list: Addr, node: Addr): void {
  const next = mem[node + WAIT_NODE.next];
  const prev = mem[node + WAIT_NODE.prev];
  if (prev === NULL_ADDR) mem[list + WAIT_LIST.head] = next;
  else mem[prev + WAIT_NODE.next] = next;
  if (next === NULL_ADDR) mem[list + WAIT_LIST.tail] = prev;
  else mem[next + WAIT_NODE.prev] = prev;
  mem[list + WAIT_LIST.waiters]--;
}

/** Says that `node`'s thread is about to sleep. With the list's lock held: a waker that comes after it sees this. */
export const nodePrepare = (task: Task, node: Addr): void => store(task, node, NODE_WAITING);

/** Sleeps until `nodeWake`; returns at once if that has happened since `nodePrepare`. Without the list's lock. */
export function nodeSleep(task: Task, node: Addr, kind: WaitKind, lock: Addr): void {
  publishWait(task, kind, lock, node, false);
  // The word is looked at again after each return: the node is used for every lock in turn, so a wake-up meant for an
  // earlier sleep may arrive late.
  while (load(task, node) === NODE_WAITING) wait(task, node, NODE_WAITING, Number.POSITIVE_INFINITY);
  clearWait(task);
}

/** Wakes the thread of `node`. From the store on the thread may leave and queue elsewhere, so the node's links are no longer ours. */
export function nodeWake(task: Task, node: Addr): void {
  // Woken already and not yet running: one wake-up is enough.
  if (task.mem[node] !== NODE_WAITING) return;
  store(task, node, NODE_IDLE);
  notify(task, node, 1);
}
