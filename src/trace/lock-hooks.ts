import type { Addr } from '../memory/address.ts';
import type { HeldMode, SyncHooks, Task } from '../sync/task.ts';
import type { Actor } from './actor.ts';
import { point } from './point.ts';
import { POINT } from './points.ts';

/** Contended locks become trace records, so that a timeline shows who waited for whom. */
export const TRACE_HOOKS: SyncHooks = {
  contended(task: Task, lock: Addr, mode: HeldMode): number {
    point(task as Actor, POINT['lock.contended'], lock, mode, task.mem[lock + 1]);
    return 0;
  },
  acquired(task: Task, lock: Addr, mode: HeldMode): void {
    point(task as Actor, POINT['lock.acquired'], lock, mode, task.mem[lock + 1]);
  },
};
