import { modelA } from './umem.ts';

export const { memory, setup, threads, names } = modelA;
