import { created } from './created.ts';
import { reorder } from './reorder.ts';

/** reorder_5 with the thread that makes the others: 6 threads, as published. */
export const { memory, setup, threads, names } = created(reorder(5)) as ReturnType<typeof reorder>;
