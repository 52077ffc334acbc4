import { bitCount, nthBit, randomBelow } from '../control/sched.ts';
import type { Picker } from './picker.ts';

/** A random walk: uniform over the threads that can run. The baseline. */
export const randomPicker: Picker = {
  name: 'random',
  pick: ({ s }, enabled) => nthBit(enabled, randomBelow(s, bitCount(enabled))),
};
