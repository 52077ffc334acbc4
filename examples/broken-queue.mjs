// A queue in shared memory: words for slots, `tail` for the next push, `head` for the next pop. It is right for one producer and
// one consumer: the slot is written before `tail` moves, and read after that was seen. This program gives it two producers.
//
//   odptorture explore examples/broken-queue.mjs           finds the item that is lost
//   odptorture explore examples/broken-queue.mjs --races   finds the slot that both write, too
//   odptorture explore examples/broken-queue.mjs#fixed     producers take turns
import { load, mutexInit, mutexLock, mutexUnlock, store } from 'odptorture/sync';

const HEAD = 0;
const TAIL = 1;
const TAKEN = 2; // how many items the consumer took, and behind it which
const SLOTS = 8;
const CAPACITY = 4;
const LOCK = 16;

function push(task, item) {
  const tail = load(task, TAIL);
  // Between this load and the store below the other producer may do the same: both write one slot, and one item is gone.
  task.mem[SLOTS + (tail % CAPACITY)] = item;
  store(task, TAIL, tail + 1);
}

function pushInTurn(task, item) {
  mutexLock(task, LOCK);
  push(task, item);
  mutexUnlock(task, LOCK);
}

/** The next item, or 0 when there is none. There is one consumer, so nobody else moves `head`. */
function pop(task) {
  const head = load(task, HEAD);
  if (head === load(task, TAIL)) return 0;
  const item = task.mem[SLOTS + (head % CAPACITY)];
  store(task, HEAD, head + 1);
  return item;
}

const program = (add) => ({
  memory: 32,
  setup: (mem) => mutexInit(mem, LOCK, 0),
  threads: [
    function producer1(task) {
      add(task, 1);
    },
    function producer2(task) {
      add(task, 2);
    },
    function consumer(task) {
      const item = pop(task);
      // Plain words: only this thread writes them, and `check` runs when all threads have ended.
      if (item !== 0) task.mem[TAKEN + 1 + task.mem[TAKEN]++] = item;
    },
  ],
  check(mem) {
    const items = [...mem.subarray(TAKEN + 1, TAKEN + 1 + mem[TAKEN])];
    for (let i = mem[HEAD]; i < mem[TAIL]; i++) items.push(mem[SLOTS + (i % CAPACITY)]);
    if (items.sort().join() !== '1,2') return `pushed 1 and 2, but taken or left are: ${items.join(', ')}`;
  },
  names: { head: HEAD, tail: TAIL, taken: TAKEN, slots: SLOTS, lock: LOCK },
});

export default program(push);
export const fixed = program(pushInTurn);
