import { copyFileSync, existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from '../../src/cli/package-root.ts';
import type { RealFolder } from './real-soak.ts';

/** A user's design that is right, which those below spread. */
export function writeIdleBirth({ dir }: Pick<RealFolder, 'dir'>): string {
  const file = join(dir, 'idle-birth.mjs');
  copyFileSync(join(packageRoot(), 'examples/strategies/idle-birth.mjs'), file);
  return file;
}

/** The place of `body` in the file of `writeBroken`. */
export const BODY_LINE = 19;

/**
 * `NAME.mjs`: a design that is right, but for one start of a section in one cell of all: that one does `body` first. `NAME.mark` is
 * there from then on.
 */
export function writeBroken(folder: RealFolder, name: string, body: string): void {
  writeIdleBirth(folder);
  folder.write(
    `${name}.mjs`,
    `import { existsSync, writeFileSync } from 'node:fs';
import { downWrite, upWrite } from 'odptorture/strategy';
import idleBirth from './idle-birth.mjs';

const file = (kind) => new URL('./${name}.' + kind, import.meta.url);
let calls = 0;
// A few sections go well before it. The mark is for all threads of all cells: whoever makes it is the one.
function isTheOne() {
  if (++calls !== 5) return false;
  try {
    writeFileSync(file('mark'), '', { flag: 'wx' });
    return true;
  } catch {
    return false;
  }
}

function body(actor, ctx) {
  ${body}
}

export default {
  ...idleBirth,
  name: '${name}',
  rangeStart(actor, ctx, section, start, last, blockable) {
    if (isTheOne()) body(actor, ctx);
    return idleBirth.rangeStart(actor, ctx, section, start, last, blockable);
  },
};
`,
  );
}

export const isMarked = ({ dir }: RealFolder, name: string): true | null =>
  existsSync(join(dir, `${name}.mark`)) ? true : null;
