import { lowestBit } from '../control/sched.ts';
import type { Picker } from './picker.ts';

/** Goes on with the thread that runs, else with the first that can: what a depth-first search does behind its prefix. */
export const continuePicker: Picker = {
  name: 'continue',
  sleeps: true,
  pick: (_sched, enabled, current) => (current >= 0 && (enabled & (1 << current)) !== 0 ? current : lowestBit(enabled)),
};
