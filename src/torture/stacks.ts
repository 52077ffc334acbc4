import type { Session } from 'node:inspector';

/** Where this thread says which one of its cell it is. */
const NAME = 'odptorture.thread';
/** A thread answers at its next loop or call, also one that sleeps in Atomics.wait; one that is inside of the engine does not. */
const BOUND_MS = 2000;
const FRAMES_MAX = 16;

/** In each thread of a cell, before it runs: `threadStacks` asks for it. */
export function nameThread(name: string): void {
  (globalThis as Record<symbol, unknown>)[Symbol.for(NAME)] = name;
}

/** By name of a thread: its calls, the innermost first. */
export type ThreadStacks = Readonly<Record<string, readonly string[]>>;

/**
 * The JavaScript stacks of the threads that are named, through the debugger: whoever spins or sleeps for ever is stopped for a moment and
 * told to go on. For a cell that is lost anyway: it changes what it looks at. Threads that do not answer in time are left out; where
 * Node has no inspector there are none.
 */
export async function threadStacks(names: readonly string[], boundMs = BOUND_MS): Promise<ThreadStacks> {
  const stacks: Record<string, readonly string[]> = {};
  try {
    const { Session } = await import('node:inspector');
    const session = new Session();
    session.connect();
    try {
      await collect(session, names, stacks, boundMs);
    } finally {
      session.disconnect();
    }
  } catch {
    // A diagnosis less; the cell's fault is told all the same.
  }
  return stacks;
}

interface Frame {
  readonly functionName: string;
  readonly location: { readonly scriptId: string; readonly lineNumber: number; readonly columnNumber?: number };
}
interface Message {
  readonly id?: number;
  readonly method?: string;
  readonly params?: { readonly scriptId?: string; readonly url?: string; readonly callFrames?: readonly Frame[] };
  readonly result?: { readonly result?: { readonly value?: unknown } };
}

/** One thread, as the debugger has it. */
interface Attached {
  readonly urls: Map<string, string>;
  frames: readonly Frame[];
  /** It was told to go on, and does. */
  goesOn: boolean;
}

/** Numbers of the requests to one thread; answers come with them. */
const REQUEST = { enable: 1, pause: 2, name: 3, disable: 4 } as const;

function collect(
  session: Session,
  names: readonly string[],
  stacks: Record<string, readonly string[]>,
  boundMs: number,
): Promise<void> {
  const threads = new Map<string, Attached>();
  const say = (sessionId: string, id: number, method: string, params: object = {}): void =>
    session.post('NodeWorker.sendMessageToWorker', { sessionId, message: JSON.stringify({ id, method, params }) });
  // A thread that stays paused could not be ended. Requests are kept in order: one that pauses only later goes on at once.
  const goOn = (sessionId: string): void => say(sessionId, REQUEST.disable, 'Debugger.disable');
  const take = (sessionId: string, thread: Attached, { id, method, params, result }: Message): void => {
    if (method === 'Debugger.scriptParsed') thread.urls.set(params?.scriptId ?? '', params?.url ?? '');
    else if (method === 'Debugger.paused') {
      thread.frames = params?.callFrames ?? [];
      say(sessionId, REQUEST.name, 'Runtime.evaluate', { expression: `globalThis[Symbol.for('${NAME}')]` });
    } else if (id === REQUEST.name) {
      const name = result?.result?.value;
      if (typeof name === 'string' && names.includes(name)) stacks[name] = frameTexts(thread);
      goOn(sessionId);
    } else if (id === REQUEST.disable) thread.goesOn = true;
  };
  return new Promise((resolve) => {
    const timers: NodeJS.Timeout[] = [];
    const end = (): void => {
      for (const timer of timers) clearTimeout(timer);
      for (const [sessionId, { goesOn }] of threads) if (!goesOn) goOn(sessionId);
      resolve();
    };
    session.on('NodeWorker.attachedToWorker', ({ params: { sessionId } }) => {
      threads.set(sessionId, { urls: new Map(), frames: [], goesOn: false });
      say(sessionId, REQUEST.enable, 'Debugger.enable');
      say(sessionId, REQUEST.pause, 'Debugger.pause');
    });
    session.on('NodeWorker.receivedMessageFromWorker', ({ params: { sessionId, message } }) => {
      const thread = threads.get(sessionId);
      if (thread !== undefined) take(sessionId, thread, JSON.parse(message) as Message);
      // There may be others that are no threads of the cell: nobody waits for these to answer, but whoever has goes on.
      const answered = names.every((name) => stacks[name] !== undefined);
      if (answered && [...threads.values()].every(({ goesOn, frames }) => goesOn || frames.length === 0)) end();
    });
    // Only the main thread has this part of the inspector.
    session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => {
      if (error !== null) end();
    });
    timers.push(setTimeout(() => void [...threads.keys()].forEach(goOn), boundMs));
    timers.push(setTimeout(end, 2 * boundMs));
  });
}

const frameTexts = ({ frames, urls }: Attached): string[] =>
  frames.slice(0, FRAMES_MAX).map(({ functionName, location: { scriptId, lineNumber, columnNumber = 0 } }) => {
    const place = `${urls.get(scriptId) ?? ''}:${lineNumber + 1}:${columnNumber + 1}`;
    return `${functionName || '(anonymous)'} ${place}`;
  });
