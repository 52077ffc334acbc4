#!/usr/bin/env node
import { main } from './program.ts';
import { processTerminal } from './terminal-io.ts';

/** A thread that does not end must not keep the process: after this time it goes anyway. */
const LINGER_MS = 3000;

process.exitCode = await main(process.argv.slice(2), processTerminal());
setTimeout(() => process.exit(), LINGER_MS).unref();
