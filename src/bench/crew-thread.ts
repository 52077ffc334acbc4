import { parentPort } from 'node:worker_threads';
import { type CrewTask, type CrewWord, GATE } from './crew.ts';

/** Turns between two looks at the stop word. */
const TURNS = 8;

/** A thread's part of a crew: says that it is there, waits for the start, and takes turns until the stop. */
export function joinCrew<J>({ gate }: CrewTask<J>, turn: () => void): void {
  const words = new Int32Array(gate);
  const say = (word: CrewWord): void => parentPort!.postMessage(word);
  say('ready');
  while (Atomics.load(words, GATE.go) === 0) Atomics.wait(words, GATE.go, 0, 1000);
  while (Atomics.load(words, GATE.stop) === 0) for (let i = 0; i < TURNS; i++) turn();
  say('done');
}
