import type { Program } from '../../../src/explore/subject/program.ts';
import * as account from './account.ts';
import * as bluetoothDriver from './bluetooth-driver.ts';
import * as circularBuffer from './circular-buffer.ts';
import * as deadlock01 from './deadlock01.ts';
import * as lazy01 from './lazy01.ts';
import * as queue from './queue.ts';
import * as reorder3 from './reorder-3.ts';
import * as reorder4 from './reorder-4.ts';
import * as reorder5 from './reorder-5.ts';
import * as stack from './stack.ts';
import * as stringbuffer from './stringbuffer-jdk1.4.ts';
import * as tokenRing from './token-ring.ts';
import * as twostage from './twostage.ts';
import * as wronglock3 from './wronglock-3.ts';

/** Mean schedules to the first bug as the SURW artifact reports them: 20 runs, at most 10,000 schedules each; null: in none. */
export interface Published {
  readonly threads: number;
  readonly surw: number;
  readonly pct3: number;
  readonly pos: number;
  readonly random: number | null;
}

/** One program of SCTBench. */
export interface SctProgram {
  readonly name: string;
  readonly url: string;
  readonly program: Program;
  readonly published: Published;
}

const entry = (
  name: string,
  file: string,
  program: Program,
  [threads, surw, pct3, pos, random]: [number, number, number, number, number | null],
): SctProgram => ({
  name,
  url: new URL(`./${file}.js`, import.meta.url).href,
  program,
  published: { threads, surw, pct3, pos, random },
});

export const SCT_PROGRAMS: readonly SctProgram[] = [
  entry('account', 'account', account, [4, 6, 4, 4, 18]),
  entry('bluetooth_driver', 'bluetooth-driver', bluetoothDriver, [2, 70, 112, 36, 215]),
  entry('circular_buffer', 'circular-buffer', circularBuffer, [3, 3, 9, 2, 4]),
  entry('deadlock01', 'deadlock01', deadlock01, [3, 2, 13, 4, 3]),
  entry('lazy01', 'lazy01', lazy01, [4, 2, 5, 5, 21]),
  entry('queue', 'queue', queue, [3, 2, 3, 1, 1]),
  entry('reorder_3', 'reorder-3', reorder3, [4, 7, 185, 86, null]),
  entry('reorder_4', 'reorder-4', reorder4, [5, 7, 554, 533, null]),
  entry('reorder_5', 'reorder-5', reorder5, [6, 10, 647, 2169, null]),
  entry('stack', 'stack', stack, [3, 5, 3, 2, 176]),
  entry('token_ring', 'token-ring', tokenRing, [5, 8, 8, 9, 13]),
  entry('twostage', 'twostage', twostage, [3, 8, 13, 15, 464]),
  entry('wronglock_3', 'wronglock-3', wronglock3, [5, 9, 58, 11, 36]),
  entry('stringbuffer-jdk1.4', 'stringbuffer-jdk1.4', stringbuffer, [2, 8, 281, 23, 2243]),
];
