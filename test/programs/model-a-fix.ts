import { modelAFixed } from './umem.ts';

export const { memory, setup, threads, names } = modelAFixed;
