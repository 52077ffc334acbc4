#!/usr/bin/env node
import { EXIT } from '../scenario/errors.ts';
import { inlineMore } from './inlining.ts';
import { internalErrorLine, main } from './program.ts';
import { processTerminal } from './terminal-io.ts';

inlineMore();

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
