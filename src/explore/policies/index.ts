import { continuePicker } from './continue.ts';
import type { Picker } from './picker.ts';
import { randomPicker } from './random.ts';

/** By number, which is what the scheduler's memory holds: the same in every thread. */
export const PICKERS: readonly Picker[] = [continuePicker, randomPicker];
export const pickerId = (name: string): number => PICKERS.findIndex((picker) => picker.name === name);
