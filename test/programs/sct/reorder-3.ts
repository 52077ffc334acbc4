import { reorder } from './reorder.ts';

/** See reorder.ts. */
export const { memory, setup, threads, names } = reorder(3);
