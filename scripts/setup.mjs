#!/usr/bin/env node
/**
 * Makes a fresh checkout ready to run: dependencies, then the build. Does nothing, quickly, when both are up to date.
 * All output goes to stderr; the exit code is that of the step that failed.
 */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { constants, hostname } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const at = (...parts) => join(ROOT, ...parts);

const SOURCE_FOLDERS = ['src', 'workers', 'test', 'bench'];
/** What decides about the output besides the sources. */
const BUILD_INPUTS = ['tsconfig.json', 'package.json', 'node_modules/.package-lock.json'];
const INSTALLED = at('node_modules', '.package-lock.json');
const TSC = at('node_modules', 'typescript', 'bin', 'tsc');
/** Digest of the inputs of the last build that succeeded. */
const BUILT = at('dist', '.setup-built');
/** Held while something is installed or built. A folder, since making and renaming one is atomic. */
const LOCK = at('dist', '.setup-lock');
const LOCK_TIMEOUT_MS = 600_000;
const LOCK_POLL_MS = 100;

const say = (line) => process.stderr.write(`setup: ${line}\n`);

/** An expected failure: one line, and the exit code to leave with. */
class SetupError extends Error {
  constructor(message, exitCode = 1) {
    super(message);
    this.exitCode = exitCode;
  }
}

const mtimeMs = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? null;

const checkNodeVersion = () => {
  const wanted = JSON.parse(readFileSync(at('package.json'), 'utf8')).engines?.node ?? '';
  const [, major = 0, minor = 0] = (/(\d+)(?:\.(\d+))?/.exec(wanted) ?? []).map(Number);
  const [haveMajor, haveMinor] = process.versions.node.split('.').map(Number);
  if (haveMajor > major || (haveMajor === major && haveMinor >= minor)) return;
  throw new SetupError(`Node ${major}.${minor} or newer is needed, this is ${process.versions.node}`);
};

// --- the lock -------------------------------------------------------------------------------------------------------------

/** In a container without an init, a process that ended can stay as a zombie: it still takes signals. */
const isZombie = (pid) => {
  try {
    return /\) Z [^)]*$/.test(readFileSync(`/proc/${pid}/stat`, 'latin1'));
  } catch {
    return false;
  }
};

const isAlive = (pid) => {
  try {
    process.kill(pid, 0);
    return !isZombie(pid);
  } catch (error) {
    return error.code === 'EPERM';
  }
};

const readOwner = () => {
  try {
    return JSON.parse(readFileSync(join(LOCK, 'owner'), 'utf8'));
  } catch {
    return null;
  }
};

/** The pids are the owner and the npm or tsc that it started, which may outlive it. On another host nothing can be known. */
const isStale = (owner) => owner !== null && owner.host === hostname() && !owner.pids.some(isAlive);

const writeOwner = (folder, pids) => {
  // Renamed into place, so that nobody reads half of it.
  writeFileSync(join(folder, 'owner.new'), JSON.stringify({ host: hostname(), pids }));
  renameSync(join(folder, 'owner.new'), join(folder, 'owner'));
};

const tryLock = () => {
  const mine = `${LOCK}.${process.pid}`;
  rmSync(mine, { recursive: true, force: true });
  mkdirSync(mine, { recursive: true });
  writeOwner(mine, [process.pid]);
  try {
    // Fails where the lock exists, since that is never an empty folder: a lock is never seen without its owner.
    renameSync(mine, LOCK);
    return true;
  } catch (error) {
    rmSync(mine, { recursive: true, force: true });
    if (['ENOTEMPTY', 'EEXIST', 'EPERM'].includes(error.code)) return false;
    throw error;
  }
};

/** Renamed first: emptied in place, it could be taken by the next owner before it is gone, and that lock removed with it. */
const removeLock = () => {
  const old = `${LOCK}.${process.pid}`;
  renameSync(LOCK, old);
  rmSync(old, { recursive: true, force: true });
};

/** Removes the lock of a process that died. One at a time: else a slow breaker would remove the next owner's lock. */
const breakStaleLock = () => {
  const guard = `${LOCK}.break`;
  try {
    mkdirSync(guard);
  } catch {
    return;
  }
  try {
    if (isStale(readOwner())) removeLock();
  } finally {
    rmdirSync(guard);
  }
};

const withLock = async (work) => {
  const deadline = Date.now() + (Number(process.env.ODPTORTURE_SETUP_TIMEOUT_MS) || LOCK_TIMEOUT_MS);
  let told = false;
  while (!tryLock()) {
    if (isStale(readOwner())) breakStaleLock();
    else if (!told) {
      say('waiting for another setup');
      told = true;
    }
    if (Date.now() > deadline) {
      throw new SetupError(
        `another setup holds ${relative(ROOT, LOCK)}; if none is running, remove ${relative(ROOT, LOCK)}*`,
      );
    }
    await sleep(LOCK_POLL_MS);
  }
  try {
    return await work();
  } finally {
    removeLock();
  }
};

// --- steps ----------------------------------------------------------------------------------------------------------------

let interrupted = null;

/** Runs a step with its output on our stderr. A signal goes on to the step; the lock stays held until it has ended. */
const run = (command, args, name) =>
  new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: ROOT, stdio: ['ignore', 2, 2] });
    const forward = (signal) => {
      interrupted = signal;
      child.kill(signal);
    };
    process.on('SIGINT', forward).on('SIGTERM', forward);
    child.on('spawn', () => writeOwner(LOCK, [process.pid, child.pid]));
    child.on('error', (error) => reject(new SetupError(`${name} cannot be started: ${error.message}`, 127)));
    child.on('close', (code, signal) => {
      process.off('SIGINT', forward).off('SIGTERM', forward);
      const killedBy = interrupted ?? signal;
      if (killedBy !== null)
        reject(new SetupError(`${name} was ended by ${killedBy}`, 128 + constants.signals[killedBy]));
      else if (code !== 0) reject(new SetupError(`${name} failed with exit code ${code}`, code));
      else resolve();
    });
  });

/** When what is to be installed was last changed. */
const wantedMs = () => mtimeMs(at('package-lock.json')) ?? mtimeMs(at('package.json')) ?? 0;

const needsInstall = () => (mtimeMs(INSTALLED) ?? -1) < wantedMs();

const install = async () => {
  const command = existsSync(at('package-lock.json')) ? 'ci' : 'install';
  say(`installing dependencies (npm ${command})`);
  // The build needs the development dependencies, whatever NODE_ENV says.
  const args = [command, '--include=dev', '--no-audit', '--no-fund'];
  const npmCli = process.env.npm_execpath;
  // The npm that runs us, where there is one: it may not be on the path.
  if (npmCli !== undefined && /npm-cli\.[cm]?js$/.test(npmCli))
    await run(process.execPath, [npmCli, ...args], `npm ${command}`);
  else await run('npm', args, `npm ${command}`);
  // npm may write its two lock files in the other order, or ours may be dated in the future: we would install every time.
  if (!existsSync(INSTALLED) || !needsInstall()) return;
  const seconds = Math.ceil(wantedMs() / 1000);
  utimesSync(INSTALLED, seconds, seconds);
};

const filesUnder = (folder) => {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { recursive: true, withFileTypes: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name));
};

const listSources = () =>
  SOURCE_FOLDERS.flatMap((folder) => filesUnder(at(folder)))
    .filter((path) => path.endsWith('.ts'))
    .sort();

/** Names, times and sizes: it also sees a deleted source, and one replaced by an older one. */
const digestOf = (sources) => {
  const hash = createHash('sha256');
  for (const path of [...BUILD_INPUTS.map((name) => at(name)), ...sources]) {
    const stat = statSync(path, { throwIfNoEntry: false });
    hash.update(`${relative(ROOT, path)}\0${stat?.mtimeMs}\0${stat?.size}\n`);
  }
  return hash.digest('hex');
};

const outputOf = (source) => at('dist', relative(ROOT, source).replace(/\.ts$/, '.js'));
const lacksOutput = (source) => !source.endsWith('.d.ts') && !existsSync(outputOf(source));

const readBuilt = () => (existsSync(BUILT) ? readFileSync(BUILT, 'utf8') : '');

const needsBuild = () => {
  const sources = listSources();
  return readBuilt() !== digestOf(sources) || sources.some(lacksOutput);
};

/** Removes what was built from sources that are gone; a stale test would still run. */
const removeStaleOutput = (sources) => {
  const stems = new Set(sources.map((source) => relative(ROOT, source).replace(/\.ts$/, '')));
  for (const path of SOURCE_FOLDERS.flatMap((folder) => filesUnder(at('dist', folder)))) {
    const stem = relative(at('dist'), path).replace(/(?:\.d\.ts|\.js)(?:\.map)?$/, '');
    if (stem !== relative(at('dist'), path) && !stems.has(stem)) rmSync(path);
  }
};

const build = async () => {
  if (!existsSync(TSC))
    throw new SetupError('the TypeScript compiler is not installed; remove node_modules and try again');
  say('building (tsc)');
  // Taken before tsc reads anything: what changes meanwhile is built next time.
  const sources = listSources();
  const digest = digestOf(sources);
  rmSync(BUILT, { force: true });
  removeStaleOutput(sources);
  // In incremental mode tsc trusts its own record and does not look whether the output is still there.
  if (sources.some(lacksOutput)) rmSync(at('dist', '.tsbuildinfo'), { force: true });
  await run(process.execPath, [TSC, '-p', 'tsconfig.json'], 'tsc');
  writeFileSync(BUILT, digest);
};

const main = async () => {
  checkNodeVersion();
  if (!needsInstall() && !needsBuild()) return;
  await withLock(async () => {
    // Asked again: whoever held the lock may have done it.
    if (needsInstall()) await install();
    if (needsBuild()) await build();
  });
};

try {
  await main();
} catch (error) {
  say(error instanceof SetupError ? error.message : `${error.code ?? error.name}: ${error.message}`);
  process.exitCode = error instanceof SetupError ? error.exitCode : 1;
}
