import { linkSync, readFileSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { z } from 'zod';
import { OdpError, systemReason } from '../scenario/errors.ts';

/** Who holds a folder. A pid alone says little: after a crash it may be another process's. */
const ownerSchema = z.object({
  pid: z.int(),
  /** Of that process, as the kernel has it; empty where it cannot be known. */
  started: z.string(),
  host: z.string(),
  since: z.string(),
});
type Owner = z.output<typeof ownerSchema>;

export interface FolderLock {
  /**
   * Whether it is still this process's: somebody may have deleted the file, and of three processes that take over one stale lock at
   * the same moment, two may believe for that moment that they have it.
   */
  isHeld(): boolean;
  /** Safe when it is no longer held. */
  release(): void;
}

/** Field 22 of /proc/<pid>/stat: ticks since boot. With the boot's id it names one process for ever. Empty: no such process, or no /proc. */
export function processStart(pid: number): string {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the name in brackets, which may hold anything.
    const ticks = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? '';
    return `${readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()}/${ticks}`;
  } catch {
    return '';
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it runs, and is somebody else's.
    return systemReason(error) === 'EPERM';
  }
}

/** Another host's process cannot be asked for; the doubt is in favour of the results. */
function isAlive(owner: Owner): boolean {
  if (owner.host !== hostname()) return true;
  return isRunning(owner.pid) && (owner.started === '' || owner.started === processStart(owner.pid));
}

/** A file that cannot be read, or is cut off, was left by a process that died while it wrote it. */
function readOwner(path: string): Owner | null {
  try {
    return ownerSchema.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch {
    return null;
  }
}

/**
 * Takes a folder for this process. Throws `ODP_E_IN_USE`, which names the holder, while that one lives; the lock of one that was killed
 * is taken over. `note` is told so.
 */
export function lockFolder(path: string, note: (line: string) => void = () => {}): FolderLock {
  const own = `${path}.${process.pid}`;
  const me: Owner = {
    pid: process.pid,
    started: processStart(process.pid),
    host: hostname(),
    since: new Date().toISOString(),
  };
  try {
    writeFileSync(own, `${JSON.stringify(me)}\n`);
    for (let attempt = 0; attempt < 3; attempt++) {
      if (linked(own, path)) return heldBy(path, me);
      const holder = readOwner(path);
      if (holder !== null && isAlive(holder)) throw inUse(path, holder);
      if (steal(path, holder) && holder !== null)
        note(`the lock of process ${holder.pid}, which has ended, was taken over`);
    }
    throw new OdpError({
      code: 'ODP_E_IN_USE',
      message: 'another process takes this folder at the same moment',
      at: path,
    });
  } catch (error) {
    if (error instanceof OdpError) throw error;
    const message = `cannot write results: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_OUTPUT', message, at: path }, { cause: error });
  } finally {
    rmSync(own, { force: true });
  }
}

function heldBy(path: string, me: Owner): FolderLock {
  const isHeld = (): boolean => JSON.stringify(readOwner(path)) === JSON.stringify(me);
  return {
    isHeld,
    release() {
      if (isHeld()) rmSync(path, { force: true });
    },
  };
}

/** A link, not an exclusive open: the lock appears with its whole content. */
function linked(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (systemReason(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Moves a dead holder's lock away. Between the look at it and the move another process may have done the same and locked the folder
 * for itself: its lock is put back.
 */
function steal(path: string, dead: Owner | null): boolean {
  const aside = `${path}.${process.pid}.stale`;
  try {
    renameSync(path, aside);
  } catch {
    return false;
  }
  const moved = readOwner(aside);
  const isSame = JSON.stringify(moved) === JSON.stringify(dead);
  if (!isSame) linked(aside, path);
  unlinkSync(aside);
  return isSame;
}

function inUse(path: string, { pid, host, since }: Owner): OdpError {
  const where = host === hostname() ? '' : ` on ${host}; if that machine no longer runs it, delete this file`;
  return new OdpError({ code: 'ODP_E_IN_USE', message: `process ${pid} writes here since ${since}${where}`, at: path });
}
