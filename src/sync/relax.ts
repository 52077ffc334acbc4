import * as atomicsModule from './atomics.ts';
import * as controlModule from './control.ts';
import type { Task } from './task.ts';

const { cpuRelax } = atomicsModule;
const control = controlModule.CONTROL.current;

/**
 * `cpu_relax`, in the body of a loop that waits for another thread's write. A free run tells the core that it spins, where the engine
 * can; a controlled run stops offering the thread until a word that it read last (with `load` and its like) is written, so that a
 * spin loop is one step, not thousands.
 */
export const relax: (task: Task) => void = control === null ? () => cpuRelax() : (task) => control.relax(task);
