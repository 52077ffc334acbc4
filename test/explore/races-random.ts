import type { Program } from '../../src/explore/subject/program.ts';
import type { Addr } from '../../src/memory/address.ts';
import {
  add,
  compareExchange,
  downRead,
  downWrite,
  load,
  mutexInit,
  mutexLock,
  mutexUnlock,
  rwsemInit,
  store,
  type Task,
  upRead,
  upWrite,
} from '../../src/sync/index.ts';

/** Programs that are made up: what each thread does is in the query of the URL. */
export const WORDS = 3;
const MUTEX = (n: number): Addr => (16 + 16 * n) as Addr;
const RWSEM = 48 as Addr;

export type Access = { readonly op: 'read' | 'write' | 'load' | 'store' | 'add' | 'cas'; readonly word: number };
export type Action =
  | Access
  | { readonly op: 'mutex'; readonly lock: number; readonly body: readonly Access[] }
  | { readonly op: 'reader' | 'writer'; readonly body: readonly Access[] };
export type Bodies = readonly (readonly Action[])[];

function access(task: Task, { op, word }: Access): void {
  const a = word as Addr;
  switch (op) {
    case 'read':
      return void task.mem[a];
    case 'write':
      task.mem[a] = 1;
      return;
    case 'load':
      return void load(task, a);
    case 'store':
      store(task, a, 1);
      return;
    case 'add':
      return void add(task, a, 1);
    case 'cas':
      return void compareExchange(task, a, 0, 1);
  }
}

function act(task: Task, action: Action): void {
  if (!('body' in action)) {
    access(task, action);
    return;
  }
  const run = (): void => {
    for (const one of action.body) access(task, one);
  };
  if (action.op === 'mutex') {
    mutexLock(task, MUTEX(action.lock));
    run();
    mutexUnlock(task, MUTEX(action.lock));
  } else if (action.op === 'reader') {
    downRead(task, RWSEM);
    run();
    upRead(task, RWSEM);
  } else {
    downWrite(task, RWSEM);
    run();
    upWrite(task, RWSEM);
  }
}

export const programOf = (bodies: Bodies): Program => ({
  memory: 64,
  setup(mem) {
    mutexInit(mem, MUTEX(0), 0);
    mutexInit(mem, MUTEX(1), 0);
    rwsemInit(mem, RWSEM, 0);
  },
  threads: bodies.map((body) => (task: Task) => {
    for (const action of body) act(task, action);
  }),
});

const query = new URL(import.meta.url).searchParams.get('bodies');
export const made = programOf(query === null ? [[]] : (JSON.parse(query) as Bodies));
