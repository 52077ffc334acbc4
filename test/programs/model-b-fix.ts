import { modelBFixed } from './umem.ts';

export const { memory, setup, threads, names } = modelBFixed;
