import type { Addr, Memory } from '../memory/address.ts';
import { CONTROL } from './control.ts';

const control = CONTROL.current;

/**
 * `data_race()`: a plain read that may race, on purpose. In a free run it is just `mem[a]`; the race detector of a controlled run
 * counts it and says nothing else. Say at each use why an old or a passing value does no harm.
 */
export const dataRace: (mem: Memory, a: Addr) => number =
  control?.dataRace === undefined ? (mem, a) => mem[a] : (mem, a) => control.dataRace!(mem, a);

/** As `dataRace`, for a plain write. */
export const dataRaceStore: (mem: Memory, a: Addr, v: number) => void =
  control?.dataRaceStore === undefined
    ? (mem, a, v) => {
        mem[a] = v;
      }
    : (mem, a, v) => control.dataRaceStore!(mem, a, v);
