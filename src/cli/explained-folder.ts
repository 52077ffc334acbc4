import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { OdpError, systemReason } from '../scenario/errors.ts';

/** Beside a violation: what `explore --from` made of it. */
export const EXPLAINED = 'explained';

export interface ExplainedFolder {
  readonly dir: string;
  /** Puts the files in place, all or none; what an earlier call has written there goes. */
  write(files: Readonly<Record<string, string>>): void;
  /** An earlier call has left something there. */
  readonly exists: boolean;
}

/**
 * The folder `explained` of a violation. Opening it shows that it can be written, before anybody spends time on what is to be in it.
 * Throws `ODP_E_OUTPUT`.
 */
export function openExplained(violation: string): ExplainedFolder {
  const dir = join(violation, EXPLAINED);
  const partial = `${dir}.${process.pid}.partial`;
  const attempt = (work: () => void): void => {
    try {
      work();
    } catch (error) {
      rmSync(partial, { recursive: true, force: true });
      const message = `cannot write beside the violation: ${systemReason(error)}`;
      throw new OdpError({ code: 'ODP_E_OUTPUT', message, at: dir }, { cause: error });
    }
  };
  attempt(() => {
    mkdirSync(partial);
    rmSync(partial, { recursive: true });
  });
  return {
    dir,
    exists: existsSync(dir),
    write(files) {
      attempt(() => {
        mkdirSync(partial);
        for (const [name, text] of Object.entries(files)) writeFileSync(join(partial, name), text);
        replace(dir, partial);
      });
    },
  };
}

/** A folder cannot be renamed over one that holds something: the old one steps aside first, and goes when the new one is there. */
function replace(dir: string, partial: string): void {
  const old = `${dir}.${process.pid}.old`;
  if (existsSync(dir)) renameSync(dir, old);
  try {
    renameSync(partial, dir);
  } catch (error) {
    if (existsSync(old) && !existsSync(dir)) renameSync(old, dir);
    throw error;
  }
  rmSync(old, { recursive: true, force: true });
}
