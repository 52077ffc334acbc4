import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { type Issue, OdpError } from '../../scenario/errors.ts';
import { onOneCore } from '../control/one-core.ts';
import { type MinimalInput, type MinimalLitmus, minimalLitmus } from './explain-minimal.ts';

/** What the process answers. */
type Answer =
  | { readonly type: 'done'; readonly result: MinimalLitmus | null }
  | { readonly type: 'failed'; readonly issues: readonly Issue[] | null; readonly message: string };

/** Beyond its budget, for what cannot be left out: to start, and to record. */
const PATIENCE_MS = 60_000;

/** `minimalLitmus` in a process of its own, on one core: its threads take turns millions of times. */
export async function minimalApart(input: MinimalInput, core: number): Promise<MinimalLitmus | null> {
  const child = start(core);
  const answer = await new Promise<Answer>((resolve) => {
    const failed = (message: string): void => resolve({ type: 'failed', issues: null, message });
    const timer = setTimeout(() => failed('it did not answer in time'), input.budgetMs + PATIENCE_MS);
    child.on('message', (message) => resolve(message as Answer));
    child.on('error', (error) => failed(error.message));
    child.on('exit', (code, signal) => failed(signal ?? `exit code ${code}`));
    child.on('close', () => clearTimeout(timer));
    child.send(input, (error) => {
      if (error !== null) failed(error.message);
    });
  });
  child.kill('SIGKILL');
  if (answer.type === 'done') return answer.result;
  if (answer.issues !== null) throw new OdpError(answer.issues);
  const message = `the process that makes a finding small ended: ${answer.message}`;
  throw new OdpError({ code: 'ODP_E_EXPLORE_CRASHED', message });
}

function start(core: number): ChildProcess {
  const entry = fileURLToPath(new URL('../../../workers/explain-process.js', import.meta.url));
  if (!existsSync(entry)) throw new Error("the built worker 'explain-process' is missing: run 'npm run build'");
  const { command, args } = onOneCore(core, process.execPath, [entry]);
  return spawn(command, [...args], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
}

/** The life of that process: one message, one answer. */
export function answerMinimal(): void {
  // Ctrl-C goes to the whole group; the parent decides when this process ends.
  process.on('SIGINT', () => {});
  process.on('disconnect', () => process.exit(0));
  process.once('message', (input) => {
    void minimalLitmus(input as MinimalInput)
      .then((result): Answer => ({ type: 'done', result }))
      .catch((error: unknown): Answer => {
        const message = error instanceof Error ? error.message : String(error);
        return { type: 'failed', issues: error instanceof OdpError ? error.issues : null, message };
      })
      .then((answer) => process.send!(answer));
  });
}
