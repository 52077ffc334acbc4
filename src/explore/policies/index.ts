import { continuePicker } from './continue.ts';
import { followPicker } from './follow.ts';
import { pctPicker } from './pct.ts';
import type { Picker } from './picker.ts';
import { posPicker } from './pos.ts';
import { randomPicker } from './random.ts';
import { surwPicker } from './surw.ts';

/** By number, which is what the scheduler's memory holds: the same in every thread. */
export const PICKERS: readonly Picker[] = [
  continuePicker,
  randomPicker,
  followPicker,
  pctPicker,
  posPicker,
  surwPicker,
];
export const pickerId = (name: string): number => PICKERS.findIndex((picker) => picker.name === name);
