import { at } from '../../../src/memory/address.ts';
import { rawLoad, rawStore, rawWait } from '../../../src/sync/atomics.ts';
import { downWrite, upWrite } from '../../../src/sync/rw-semaphore.ts';
import { type RoleCell, runRole, type ThreadExit, type ThreadTask } from '../../../src/torture/thread.ts';
import { CONTROL } from '../../../src/trace/park.ts';

/** Operations that go well before the fault. */
const GOOD = 5;

const sleepForEver = ({ world }: RoleCell): void => {
  rawWait(world.mem, at(world.control, CONTROL.sleep), 0, Number.POSITIVE_INFINITY);
};

/** Runs `fault` at the first operation after `GOOD` ones. */
function afterSome(task: ThreadTask, fault: (cell: RoleCell) => void): ThreadExit {
  return runRole(task, (cell) => {
    let n = 0;
    return () => {
      if (++n > GOOD) fault(cell);
    };
  });
}

/** Two threads that take mmap_lock and a file's lock in opposite orders, each sure that the other has its first. */
function crosswise(task: ThreadTask, first: 0 | 1): ThreadExit {
  return afterSome(task, ({ actor, world }) => {
    const { mem, litmusKeys } = world;
    const locks = [world.mm.mms[0]!.mmapLock, world.mm.files[0]!.invalidateLock] as const;
    const other = (1 - first) as 0 | 1;
    downWrite(actor, locks[first]);
    rawStore(mem, at(litmusKeys, first), 1);
    while (rawLoad(mem, at(litmusKeys, other)) === 0) rawWait(mem, at(litmusKeys, other), 0, 1);
    downWrite(actor, locks[other]);
    upWrite(actor, locks[other]);
    upWrite(actor, locks[first]);
  });
}

function hoard(): void {
  const kept: number[][] = [];
  for (;;) kept.push(Array.from({ length: 100_000 }, (_, i) => i + kept.length + 0.5));
}

const FAULTS = {
  throws: (task) =>
    afterSome(task, () => {
      throw new Error('broken on purpose\nsecond line');
    }),
  'throws-nothing': (task) =>
    afterSome(task, () => {
      throw null;
    }),
  'throws-early': () => {
    throw new RangeError('no views');
  },
  // In place of a supervisor, which would have mapped the memory: nobody gets beyond the start.
  'throws-at-start': (task) =>
    runRole(task, () => {
      throw new Error('no memory mapped');
    }),
  'throws-holding': (task) =>
    afterSome(task, ({ actor, world }) => {
      downWrite(actor, world.mm.mms[0]!.mmapLock);
      throw new Error('gone with a lock');
    }),
  exits: (task) => afterSome(task, () => process.exit(3)),
  'exits-holding': (task) =>
    afterSome(task, ({ actor, world }) => {
      downWrite(actor, world.mm.mms[0]!.mmapLock);
      process.exit(0);
    }),
  'exits-early': () => process.exit(4),
  hoards: (task) => afterSome(task, hoard),
  spins: (task) =>
    afterSome(task, () => {
      for (;;);
    }),
  'sleeps-holding': (task) =>
    afterSome(task, (cell) => {
      downWrite(cell.actor, cell.world.mm.mms[0]!.mmapLock);
      sleepForEver(cell);
    }),
  'never-comes': (task) =>
    runRole(task, (cell) => {
      sleepForEver(cell);
      return () => {};
    }),
  'says-nothing': () => null,
  'lock-first': (task) => crosswise(task, 0),
  'lock-second': (task) => crosswise(task, 1),
} as const satisfies Record<string, (task: ThreadTask) => ThreadExit | null>;

export type FaultName = keyof typeof FAULTS;

/** A thread that goes wrong in the way that its name says. */
// biome-ignore lint/style/noDefaultExport: the entry of a worker
export default (task: ThreadTask): ThreadExit | null => FAULTS[task.plan.threads[task.tid]!.name as FaultName](task);
