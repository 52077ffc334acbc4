import { parentPort, workerData } from 'node:worker_threads';
import { load, store } from '../../src/sync/atomics.ts';
import {
  complete,
  downgradeWrite,
  downRead,
  downReadTrylock,
  downWrite,
  downWriteTrylock,
  mutexLock,
  mutexTrylock,
  mutexUnlock,
  readSeqBegin,
  readSeqRetry,
  spinLock,
  spinTrylock,
  spinUnlock,
  srcuReadLock,
  srcuReadUnlock,
  synchronizeSrcu,
  upRead,
  upWrite,
  waitForCompletion,
  waitForCompletionTimeout,
  waitOn,
  waitPrepare,
  wakeUp,
  wakeUpAll,
  writeSeqBegin,
  writeSeqEnd,
} from '../../src/sync/index.ts';
import { AT, type HammerData, taskFor } from './fixture.ts';

const { mem, role, tid, rounds, threads, spins } = workerData as HammerData;
const task = taskFor(mem, tid, null, spins);
let random = (tid + 1) * 0x9e3779b1;
let finding: string | null = null;

/** Words of `AT.data`. */
const [COUNT, OWNER, READERS_IN, STOP] = [AT.data, AT.data + 1, AT.data + 2, AT.data + 3];
const POINTER = AT.data + 4;
const SLOTS = AT.data + 8;
const SLOT_COUNT = 16;
const STARTED = AT.data + 40;

function next(bound: number): number {
  random = (Math.imul(random, 1664525) + 1013904223) | 0;
  return (random >>> 8) % bound;
}

function fail(what: string): void {
  finding ??= what;
}

function linger(): void {
  // Now and then stay for longer than a time slice, so that others sleep, overtake and ask for a hand-off.
  if (next(400) === 0) Atomics.wait(mem, AT.control(tid), 0, 0.05);
  else for (let n = next(40); n > 0; n--) mem[AT.control(tid) + 1] += n;
}

/** A section that must be alone: a plain counter and an owner word, both of which a second thread would spoil. */
function alone(): void {
  if (mem[OWNER] !== 0) fail(`thread ${mem[OWNER] - 1} is inside as well`);
  if (Atomics.load(mem, READERS_IN) !== 0) fail('readers are inside as well');
  mem[OWNER] = tid + 1;
  const before = mem[COUNT];
  linger();
  mem[COUNT] = before + 1;
  if (mem[OWNER] !== tid + 1) fail(`thread ${mem[OWNER] - 1} came in`);
  mem[OWNER] = 0;
}

/** A section that may be shared with readers only. */
function shared(): void {
  Atomics.add(mem, READERS_IN, 1);
  const before = mem[COUNT];
  if (Atomics.load(mem, OWNER) !== 0) fail('a writer is inside');
  linger();
  if (mem[COUNT] !== before || Atomics.load(mem, OWNER) !== 0) fail('a writer came in');
  Atomics.sub(mem, READERS_IN, 1);
}

function exclusive(lock: () => void, trylock: () => boolean, unlock: () => void): void {
  for (let i = 0; i < rounds; i++) {
    if (next(8) !== 0 || !trylock()) lock();
    alone();
    unlock();
  }
}

function mixed(): void {
  const sem = AT.rwsem;
  for (let i = 0; i < rounds; i++) {
    const kind = next(8);
    if (kind < 4) {
      if (kind !== 0 || !downReadTrylock(task, sem)) downRead(task, sem);
      shared();
      upRead(task, sem);
      continue;
    }
    if (kind !== 4 || !downWriteTrylock(task, sem)) downWrite(task, sem);
    alone();
    if (kind === 7) {
      downgradeWrite(task, sem);
      shared();
      upRead(task, sem);
    } else upWrite(task, sem);
    Atomics.add(mem, AT.control(tid) + 2, 1);
  }
}

/** Readers that leave at once, so that one of a woken batch may be gone before the last of it has been woken. */
function readBurst(): void {
  while (Atomics.load(mem, STOP) === 0) {
    downRead(task, AT.rwsem);
    if (Atomics.load(mem, OWNER) !== 0) fail('a writer is inside');
    if (tid % 2 === 0) shared();
    upRead(task, AT.rwsem);
  }
}

/** Comes back when the readers queue again. */
function writeBurst(): void {
  for (let i = 0; i < rounds; i++) {
    downWrite(task, AT.rwsem);
    alone();
    for (let n = 0; n < 3000; n++) mem[AT.control(tid) + 1] += n;
    upWrite(task, AT.rwsem);
  }
  Atomics.store(mem, STOP, 1);
}

/** Holds the lock most of the time, in turn with its like, until told to stop: a queued writer has few chances. */
function readStream(): void {
  while (Atomics.load(mem, STOP) === 0) {
    downRead(task, AT.rwsem);
    linger();
    upRead(task, AT.rwsem);
  }
}

function mutexStream(): void {
  while (Atomics.load(mem, STOP) === 0) {
    mutexLock(task, AT.mutex);
    for (let n = 0; n < 50; n++) mem[AT.control(tid) + 1] += n;
    mutexUnlock(task, AT.mutex);
  }
}

function victim(lock: () => void, unlock: () => void): void {
  for (let i = 0; i < rounds; i++) {
    lock();
    unlock();
    Atomics.wait(mem, AT.control(tid), 0, 0.05);
  }
  Atomics.store(mem, STOP, 1);
}

function seqWriter(): void {
  for (let i = 1; i <= rounds; i++) {
    spinLock(task, AT.spin);
    writeSeqBegin(task, AT.seq);
    const value = mem[AT.data + 16] + 1;
    for (let w = 0; w < 4; w++) store(task, (AT.data + 16 + w) as typeof AT.data, value);
    writeSeqEnd(task, AT.seq);
    spinUnlock(task, AT.spin);
    if (next(20) === 0) linger();
  }
}

function seqReader(): void {
  const words = [0, 0, 0, 0];
  for (let i = 0; i < rounds; i++) {
    let seq: number;
    do {
      seq = readSeqBegin(task, AT.seq);
      for (let w = 0; w < 4; w++) words[w] = load(task, (AT.data + 16 + w) as typeof AT.data);
    } while (readSeqRetry(task, AT.seq, seq));
    if (words.some((word) => word !== words[0])) fail(`a torn snapshot passed: ${words.join(' ')}`);
  }
}

/** Each completion lets exactly one waiter pass; half of the threads complete, half wait, as often. */
function completer(): void {
  for (let i = 0; i < rounds; i++) {
    complete(task, AT.completion);
    if (next(4) === 0) linger();
  }
}

function completionWaiter(): void {
  for (let i = 0; i < rounds; i++) {
    if (next(2) === 0) waitForCompletion(task, AT.completion);
    else while (!waitForCompletionTimeout(task, AT.completion, 0.1));
    Atomics.add(mem, COUNT, 1);
  }
}

/** A token walks around the threads; each waits for its turn on one queue that all share. */
function tokenRing(): void {
  for (let i = 0; i < rounds; i++) {
    const turn = i * threads + tid;
    for (;;) {
      const ticket = waitPrepare(task, AT.queue);
      if (Atomics.load(mem, COUNT) === turn) break;
      waitOn(task, AT.queue, ticket, Number.POSITIVE_INFINITY);
    }
    Atomics.store(mem, COUNT, turn + 1);
    wakeUpAll(task, AT.queue);
  }
}

function producer(): void {
  for (let i = 0; i < rounds; i++) {
    Atomics.add(mem, COUNT, 1);
    wakeUp(task, AT.queue, 1);
    if (next(4) === 0) linger();
  }
}

function consumer(): void {
  for (let i = 0; i < rounds; ) {
    const ticket = waitPrepare(task, AT.queue);
    const there = Atomics.load(mem, COUNT);
    if (there === 0) waitOn(task, AT.queue, ticket, Number.POSITIVE_INFINITY);
    else if (Atomics.compareExchange(mem, COUNT, there, there - 1) === there) i++;
  }
}

/** Publishes a new slot, waits for the readers of the old one, frees it: no reader may see it freed. */
function srcuUpdater(): void {
  for (let i = 0; i < rounds; i++) {
    mutexLock(task, AT.mutex);
    let fresh = 0;
    while (mem[SLOTS + fresh] !== 0) fresh++;
    if (fresh >= SLOT_COUNT) throw new Error('no free slot');
    Atomics.store(mem, SLOTS + fresh, 1);
    const old = Atomics.exchange(mem, POINTER, fresh);
    mutexUnlock(task, AT.mutex);
    synchronizeSrcu(task, AT.srcu);
    Atomics.store(mem, SLOTS + old, 0);
  }
  Atomics.add(mem, STOP, 1);
}

function srcuReader(): void {
  // Until the updaters (every fourth thread) are done.
  while (Atomics.load(mem, STOP) < Math.ceil(threads / 4)) {
    const idx = srcuReadLock(task, AT.srcu);
    const slot = Atomics.load(mem, POINTER);
    const nested = next(4) === 0 ? srcuReadLock(task, AT.srcu) : -1;
    if (Atomics.load(mem, SLOTS + slot) !== 1) fail('freed when it was found');
    if (nested !== -1) srcuReadUnlock(task, AT.srcu, nested);
    linger();
    if (Atomics.load(mem, SLOTS + slot) !== 1) fail('freed under a reader');
    srcuReadUnlock(task, AT.srcu, idx);
  }
}

const ROLES: Record<string, () => void> = {
  mutex: () =>
    exclusive(
      () => mutexLock(task, AT.mutex),
      () => mutexTrylock(task, AT.mutex),
      () => mutexUnlock(task, AT.mutex),
    ),
  spin: () =>
    exclusive(
      () => spinLock(task, AT.spin),
      () => spinTrylock(task, AT.spin),
      () => spinUnlock(task, AT.spin),
    ),
  write: () =>
    exclusive(
      () => downWrite(task, AT.rwsem),
      () => downWriteTrylock(task, AT.rwsem),
      () => upWrite(task, AT.rwsem),
    ),
  mixed,
  readBurst,
  writeBurst,
  readStream,
  mutexStream,
  writeVictim: () =>
    victim(
      () => downWrite(task, AT.rwsem),
      () => upWrite(task, AT.rwsem),
    ),
  mutexVictim: () =>
    victim(
      () => mutexLock(task, AT.mutex),
      () => mutexUnlock(task, AT.mutex),
    ),
  seqWriter,
  seqReader,
  completer,
  completionWaiter,
  tokenRing,
  producer,
  consumer,
  srcuUpdater,
  srcuReader,
};

// All start together: a thread start takes longer than many of these loops.
Atomics.add(mem, STARTED, 1);
Atomics.notify(mem, STARTED);
for (let n = Atomics.load(mem, STARTED); n < threads; n = Atomics.load(mem, STARTED))
  Atomics.wait(mem, STARTED, n, 1000);
ROLES[role]();
parentPort?.postMessage(finding);
