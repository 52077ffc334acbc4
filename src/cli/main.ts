#!/usr/bin/env node
import { setFlagsFromString } from 'node:v8';
import { EXIT } from '../scenario/errors.ts';
import { internalErrorLine, main } from './program.ts';
import { processTerminal } from './terminal-io.ts';

// A refault is some hundred calls of small functions, of which V8 puts together only so many bytes (920 at first, 4600 in all): with more room
// it takes a fifth less time (docs/hot-path.md). Before any of them is compiled, and for all threads, as flags are the process's.
const INLINING = { '--max-inlined-bytecode-size-cumulative': 6000, '--max-inlined-bytecode-size-absolute': 9000 };
for (const [flag, bytes] of Object.entries(INLINING))
  if (!process.execArgv.some((given) => given.startsWith(flag))) setFlagsFromString(`${flag}=${bytes}`);

/** A thread that does not end must not keep the process: after this time it goes anyway. */
const LINGER_MS = 3000;

const terminal = processTerminal();
// Node would exit with 1, which here means that a violation was found.
process.on('uncaughtException', (error) => {
  terminal.err(internalErrorLine(error));
  process.exit(EXIT.internal);
});

process.exitCode = await main(process.argv.slice(2), terminal);
setTimeout(() => process.exit(), LINGER_MS).unref();
