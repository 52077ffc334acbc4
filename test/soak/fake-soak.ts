import { internalErrorLine } from '../../src/cli/program.ts';
import { soakCommand } from '../../src/cli/soak.ts';
import { processTerminal } from '../../src/cli/terminal-io.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { CLOCK, fakeRunner, soakFlags } from './soak-fixture.ts';

// A soak in a process of its own whose cells are doubles: for what must be seen from outside (kill -9, two processes, signals).
// FAKE_CELL_MS: how long a cell takes.
const { given, flags } = soakFlags(process.argv.slice(2));
const terminal = processTerminal();
const runner = fakeRunner({
  ms: Number(process.env.FAKE_CELL_MS ?? 5),
  records: Number(process.env.FAKE_RECORDS ?? 1),
});
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
