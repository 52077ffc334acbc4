import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { packageRoot } from '../../src/cli/package-root.ts';
import { MAIN } from './spawned.ts';

/** A user's folder, in which `npm install path/to/odptorture` was run: the package there is the build under test. */
export interface OwnFolder {
  readonly dir: string;
  write(name: string, text: string): void;
  remove(): void;
}

const DIST = fileURLToPath(new URL('../../', import.meta.url));

export function ownFolder(): OwnFolder {
  const dir = mkdtempSync(join(tmpdir(), 'odp-own-'));
  const installed = join(dir, 'node_modules/odptorture');
  mkdirSync(join(dir, 'node_modules/.bin'), { recursive: true });
  mkdirSync(installed);
  symlinkSync(join(packageRoot(), 'package.json'), join(installed, 'package.json'));
  symlinkSync(DIST, join(installed, 'dist'));
  const bin = join(dir, 'node_modules/.bin/odptorture');
  writeFileSync(bin, `#!/bin/sh\nexec '${process.execPath}' '${MAIN}' "$@"\n`);
  chmodSync(bin, 0o755);
  writeFileSync(join(dir, 'package.json'), '{ "private": true }\n');
  return {
    dir,
    write(name, text) {
      mkdirSync(dirname(join(dir, name)), { recursive: true });
      writeFileSync(join(dir, name), text);
    },
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
