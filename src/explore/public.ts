/** The public `odptorture/explore`: the types of a program that `odptorture explore ./program.js` takes. */
export type { Addr, Memory } from '../memory/address.ts';
export type { Task } from '../sync/task.ts';
export type { Program, Program as ExploredProgram } from './subject/program.ts';
