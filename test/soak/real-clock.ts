import { readFileSync } from 'node:fs';

// Loaded into a process before all else (`--import`): a wall clock that somebody sets while it runs. The file that CLOCK_OFFSET_FILE names
// has the milliseconds by which it is off; the clocks that only go on (performance.now, hrtime, timers) are left alone, as the system does.

const RealDate = Date;
const file = process.env.CLOCK_OFFSET_FILE ?? '';
const now = RealDate.now.bind(RealDate);
let offsetMs = 0;

const moved = (): number => {
  try {
    offsetMs = Number(readFileSync(file, 'utf8'));
  } catch {
    // It is being written: as before.
  }
  return now() + offsetMs;
};

globalThis.Date = new Proxy(RealDate, {
  construct: (target, args: unknown[]) => Reflect.construct(target, args.length === 0 ? [moved()] : args) as object,
  get: (target, name) => (name === 'now' ? moved : Reflect.get(target, name)),
});
