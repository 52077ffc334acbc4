import { created } from './created.ts';
import { reorder } from './reorder.ts';

/** reorder_3 with the thread that makes the others: 4 threads, as published. */
export const { memory, setup, threads, names } = created(reorder(3)) as ReturnType<typeof reorder>;
