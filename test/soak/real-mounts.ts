import { type ChildProcessWithoutNullStreams, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Finished } from '../cli/spawned.ts';
import { ran } from './real-program.ts';

const IS_ROOT = process.getuid?.() === 0;
/** Users without rights may mount in a user namespace of their own, where the kernel lets them make one. */
const NAMESPACE = IS_ROOT ? ['-m'] : ['-r', '-m'];
const ENTER = IS_ROOT ? ['-m'] : ['-U', '-m', '--preserve-credentials'];
const BOUND_MS = 60_000;

/** A small file system that only the processes of its namespace see, and this one through `inside`. */
export interface Mounted {
  /** Its folder, for a process that runs there. */
  readonly dir: string;
  /** The same folder, seen from here. */
  readonly seen: string;
  /** `mount -o remount,OPTIONS`. Throws when it is refused. */
  remount(options: string): void;
  /** Runs a command there and waits for its end. */
  run(command: readonly string[], cwd: string): Promise<Finished>;
  /** It goes with its last process. */
  end(): void;
}

/** Mounts a tmpfs at `parent`/mnt; `options` are mount's. */
export async function mounted(parent: string, options: string): Promise<Mounted> {
  const dir = join(parent, 'mnt');
  mkdirSync(dir, { recursive: true });
  const script = 'mount -t tmpfs -o "$1" none "$2" && echo ready && exec cat';
  const holder = spawn('unshare', [...NAMESPACE, 'sh', '-c', script, 'sh', options, dir]);
  await ready(holder);
  const within = (command: readonly string[]): string[] => ['-t', String(holder.pid), ...ENTER, ...command];
  // Who enters a mount namespace stands at its root.
  const at = (cwd: string): string[] => ['sh', '-c', 'cd "$1" && shift && exec "$@"', 'sh', cwd];
  return {
    dir,
    seen: `/proc/${holder.pid}/root${dir}`,
    remount(changed) {
      // With its source and type: otherwise mount repeats the options that it finds, which a user without rights may not give.
      const args = within(['mount', '-t', 'tmpfs', '-o', `remount,${changed}`, 'none', dir]);
      const { status, stderr } = spawnSync('nsenter', args, { encoding: 'utf8', timeout: BOUND_MS });
      if (status !== 0) throw new Error(`remount,${changed}: ${stderr}`);
    },
    run: (command, cwd) => ran('nsenter', within([...at(cwd), ...command])),
    // Without its input `cat` ends, also when this process is killed.
    end: () => void holder.stdin.end(),
  };
}

function ready(holder: ChildProcessWithoutNullStreams): Promise<void> {
  return new Promise((resolve, reject) => {
    let stderr = '';
    const timer = setTimeout(() => reject(new Error('no mount in time')), BOUND_MS);
    const settle = (end: () => void): void => {
      clearTimeout(timer);
      end();
    };
    holder.stderr.on('data', (data: Buffer) => {
      stderr += data.toString();
    });
    holder.stdout.once('data', () => settle(resolve));
    holder.on('error', (error) => settle(() => reject(error)));
    holder.on('close', () => settle(() => reject(new Error(stderr.trim()))));
  });
}

/** Why nothing can be mounted here; null: it can. What is left out for that is said, with the reason. */
export async function mountRefusal(leftOut: string): Promise<string | null> {
  const parent = mkdtempSync(join(tmpdir(), 'odp-mount-'));
  try {
    (await mounted(parent, 'size=64k')).end();
    return null;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    process.stdout.write(`left out: ${leftOut}: nothing can be mounted here: ${reason}\n`);
    return reason;
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}
