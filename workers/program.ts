import { runProgram } from '../src/torture/litmus.ts';
import type { ThreadExit, ThreadTask } from '../src/torture/thread.ts';

/** A thread of a litmus test. */
export default (task: ThreadTask): ThreadExit => runProgram(task);
