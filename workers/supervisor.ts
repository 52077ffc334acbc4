import { runSupervisor, type SupervisorExit } from '../src/torture/supervisor.ts';
import type { ThreadTask } from '../src/torture/thread.ts';

/** Watches the others: audits, deadlocks, starvation, and the end-of-cell oracles. */
export default (task: ThreadTask): SupervisorExit => runSupervisor(task);
