import { reorder } from '../sct/reorder.ts';

/** One thread that writes a, then b; one that looks at both. */
export const { memory, setup, threads, names } = reorder(2);
