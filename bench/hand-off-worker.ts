import { workerData } from 'node:worker_threads';

/** The other half of a bare hand-off: waits for its word, clears it, and sets the word of the first. */
const { buffer, rounds } = workerData as { buffer: SharedArrayBuffer; rounds: number };
const words = new Int32Array(buffer);
const [FIRST, SECOND] = [0, 16];
for (let i = 0; i < rounds; i++) {
  while (Atomics.load(words, SECOND) === 0) Atomics.wait(words, SECOND, 0);
  Atomics.store(words, SECOND, 0);
  Atomics.store(words, FIRST, 1);
  Atomics.notify(words, FIRST, 1);
}
