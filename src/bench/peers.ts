import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The parts of the npm package `multithreading` that are measured. The lock word is the second argument, as its own deserializer has it. */
export interface Multithreading {
  readonly Mutex: new (data: undefined, lock: SharedArrayBuffer) => { blockingLock(): Guard };
  readonly RwLock: new (data: undefined, lock: SharedArrayBuffer) => { blockingRead(): Guard; blockingWrite(): Guard };
}
interface Guard {
  dispose(): void;
}

/**
 * Packages that are compared with. They are there in a checkout after `npm ci`, and not with an installed odptorture: nobody should have to
 * install three libraries to run a torture test.
 */
export const PEERS = ['tinybench', 'multithreading', 'ringbuf.js'] as const;
export type Peer = (typeof PEERS)[number];

/** Whether a peer is installed where this file would find it. */
export function hasPeer(peer: Peer): boolean {
  for (let dir = dirname(fileURLToPath(import.meta.url)); ; dir = dirname(dir)) {
    if (existsSync(join(dir, 'node_modules', peer, 'package.json'))) return true;
    if (dirname(dir) === dir) return false;
  }
}

/** Loads it; on Node 20 it finds no `navigator`, which it asks for the number of threads that it is not going to start here. */
export async function loadMultithreading(): Promise<Multithreading> {
  const globals = globalThis as { navigator?: { hardwareConcurrency: number } };
  globals.navigator ??= { hardwareConcurrency: 1 };
  return (await import('multithreading')) as unknown as Multithreading;
}
