import { modelB } from './umem.ts';

export const { memory, setup, threads, names } = modelB;
