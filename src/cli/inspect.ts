import { resolve } from 'node:path';
import { type Command, Option } from 'commander';
import { type ColorChoice, styleFor, wantsColor } from '../report/style.ts';
import { wholeIn } from './options.ts';
import type { Terminal } from './terminal-io.ts';

export interface InspectFlags {
  readonly last: number;
  readonly mm?: number;
  readonly json?: boolean;
  readonly color: ColorChoice;
}

export const addInspectOptions = (command: Command): Command =>
  command
    .option('--last <n>', 'rings: points of each thread', wholeIn(1, 1_000_000), 16)
    .option('--mm <n>', "range: the process (default: that of the violation's umem)", wholeIn(0, 1_000_000))
    .option('--json', 'as JSON')
    .addOption(new Option('--color <when>', 'colour').choices(['auto', 'always', 'never']).default('auto'));

/** `odptorture inspect DIR/violations/1 [topic]`: reads the dump of the arena that a run has kept of a violation. */
export async function inspectCommand(
  folder: string,
  given: readonly string[],
  flags: InspectFlags,
  terminal: Terminal,
): Promise<number> {
  // Loaded here: most commands do without the model.
  const [{ openPostMortem }, { inspectData, inspectLines, topicOf }] = await Promise.all([
    import('../inspect/post-mortem.ts'),
    import('../inspect/topics.ts'),
  ]);
  const [name, ...args] = given;
  const topic = topicOf(name);
  const p = openPostMortem(resolve(terminal.cwd, folder));
  const style = styleFor(wantsColor(flags.color, terminal.env, terminal.outIsTty));
  const options = {
    args,
    width: terminal.width,
    style,
    last: flags.last,
    ...(flags.mm === undefined ? {} : { mm: flags.mm }),
  };
  if (flags.json === true) terminal.out(JSON.stringify(inspectData(p, topic, options), null, 2));
  else for (const line of inspectLines(p, topic, options)) terminal.out(line);
  return 0;
}
