import { parentPort } from 'node:worker_threads';
import type { Memory } from '../memory/address.ts';
import { rawLoad, rawWait } from '../sync/atomics.ts';
import { type CrewTask, type CrewWord, GATE } from './crew.ts';

/** Turns between two looks at the stop word. */
const TURNS = 8;

/**
 * A new thread's code is slow until the compiler has seen it run: a refault takes some 200 ms of CPU time until it is thirty times as fast. So many
 * turns are taken before the start, unless they take too long.
 */
const PRACTICE_TURNS = 20_000;

/** Takes turns until the compiler is done with them. */
export function practise({ practiceMs }: CrewTask<unknown>, turn: () => void): void {
  const until = performance.now() + practiceMs;
  for (let turns = 0; turns < PRACTICE_TURNS && performance.now() < until; turns += TURNS)
    for (let i = 0; i < TURNS; i++) turn();
}

/** A thread's part of a crew: says that it is there, waits for the start, and takes turns until the stop. */
export function joinCrew<J>({ gate, tid }: CrewTask<J>, turn: () => void): void {
  const words = new Int32Array(gate);
  const say = (word: CrewWord): void => parentPort!.postMessage(word);
  say('ready');
  while (rawLoad(words, GATE.go) === 0) rawWait(words, GATE.go, 0, 1000);
  while (rawLoad(words, GATE.stop) === 0) {
    for (let i = 0; i < TURNS; i++) turn();
    if (tid !== 0) standAside(words);
  }
  say('done');
}

/** While the first thread is to be alone. The stop ends that, too. */
function standAside(words: Memory): void {
  for (let alone = rawLoad(words, GATE.alone); (alone & 1) !== 0; alone = rawLoad(words, GATE.alone))
    rawWait(words, GATE.alone, alone, 1000);
}
