import { availableParallelism, cpus, loadavg } from 'node:os';

/** What a table was measured on. */
export const machineWords = (): string =>
  `Node ${process.version} (${process.platform} ${process.arch}) on ${cpus()[0]?.model.trim() ?? 'an unknown CPU'}, ${availableParallelism()} cores`;

/** What else ran, when what is measured begins. */
export const loadWords = (): string => `load average ${loadavg()[0]!.toFixed(1)} at the start`;
