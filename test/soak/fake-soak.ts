import { internalErrorLine } from '../../src/cli/program.ts';
import { soakCommand } from '../../src/cli/soak.ts';
import { processTerminal } from '../../src/cli/terminal-io.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { CLOCK, fakeRunner, soakFlags } from './soak-fixture.ts';

// A soak in a process of its own whose cells are doubles of a few milliseconds: to be killed in the middle of many commits, and of a race
// log that changes its file every few cells.
const { given, flags } = soakFlags(process.argv.slice(2));
const terminal = processTerminal();
const runner = fakeRunner({ ms: 5 });
try {
  process.exitCode = await soakCommand(given, flags, terminal, {
    runner: async () => runner,
    clock: CLOCK,
    maxRaceBytes: 20_000,
  });
} catch (error) {
  terminal.err(error instanceof OdpError ? error.message : internalErrorLine(error));
  process.exitCode = error instanceof OdpError ? error.exitCode : 70;
}
