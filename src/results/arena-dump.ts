import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { constants, gzip } from 'node:zlib';
import { systemReason } from '../scenario/errors.ts';
import { type ArenaImage, LEFT_OUT, type TakeImage } from './arena-image.ts';
import { structsFingerprint } from './arena-structs.ts';
import type { ViolationRecord } from './types.ts';

/** In the folder of a violation: the words, and what they are. */
export const ARENA_WORDS = 'arena.bin.gz';
export const ARENA_FILE = 'arena.json';

/** Dumps of one run, and what they may take on the disk. A dump of the shipped scenarios takes 50 to 150 KB. */
export const MAX_DUMPS = 50;
const MAX_BYTES = 64 * 1024 * 1024;
/** Images that wait for the disk. A larger arena is not dumped. */
const MAX_PENDING_BYTES = 128 * 1024 * 1024;

export interface DumpOptions {
  readonly maxDumps?: number;
  readonly maxBytes?: number;
  readonly maxPendingBytes?: number;
  /** Of the package that writes. */
  readonly version: string;
  readonly log: (level: 'info' | 'warn', message: string) => void;
}

/** Keeps the arena of the first violation of each signature. */
export interface DumpKeeper {
  /** Copies the arena now; null when the signature has a dump already, or there is no room. */
  take(record: ViolationRecord, take: TakeImage): ArenaImage | null;
  /** Compresses and writes an image to the violation's folder while the cell goes on. One that cannot be written is logged. */
  write(folder: string, record: ViolationRecord, image: ArenaImage): void;
  /** Resolves when all that was begun is written. */
  settle(): Promise<void>;
}

export function createDumpKeeper(options: DumpOptions): DumpKeeper {
  const { maxDumps = MAX_DUMPS, maxBytes = MAX_BYTES, maxPendingBytes = MAX_PENDING_BYTES, version, log } = options;
  const seen = new Set<string>();
  const pending = new Set<Promise<void>>();
  let bytes = 0;
  let pendingBytes = 0;

  const write = async (folder: string, record: ViolationRecord, image: ArenaImage): Promise<void> => {
    try {
      const written = await writeDump(folder, record, image, version);
      bytes += written;
      log('info', `${join(folder, ARENA_WORDS)}: ${written} bytes, copied in ${image.copyMs.toFixed(2)} ms`);
    } catch (error) {
      log('warn', `${folder} has no dump of the arena: ${systemReason(error)}`);
    }
    pendingBytes -= image.words.byteLength;
  };
  return {
    take(record, take) {
      const key = `${record.scenario} ${record.strategy} ${record.signature}`;
      if (seen.has(key) || seen.size >= maxDumps || bytes >= maxBytes || pendingBytes >= maxPendingBytes) return null;
      seen.add(key);
      return take();
    },
    write(folder, record, image) {
      pendingBytes += image.words.byteLength;
      const done: Promise<void> = write(folder, record, image).then(() => void pending.delete(done));
      pending.add(done);
    },
    async settle() {
      await Promise.all(pending);
    },
  };
}

/** A zlib thread does it: the main thread goes on looking after the cell. */
const compress = promisify(gzip);

/** Writes a dump; returns the bytes that it takes. `arena.json` comes last: where it stands, the words stand as well. */
export async function writeDump(
  folder: string,
  record: ViolationRecord,
  image: ArenaImage,
  version: string,
): Promise<number> {
  const { buffer, byteLength } = image.words;
  const packed = await compress(new Uint8Array(buffer, 0, byteLength), { level: constants.Z_BEST_SPEED });
  const text = `${JSON.stringify(descriptionOf(record, image, version), null, 1)}\n`;
  writeBeside(join(folder, ARENA_WORDS), packed);
  writeBeside(join(folder, ARENA_FILE), text);
  return packed.byteLength + text.length;
}

function descriptionOf(record: ViolationRecord, image: ArenaImage, version: string): Record<string, unknown> {
  const { plan, strategy, regions, words, takenAtMs, copyMs } = image;
  return {
    dumpVersion: 1,
    version,
    structs: structsFingerprint(),
    endian: endianness(),
    words: words.length,
    takenAtMs,
    copyMs,
    leftOut: LEFT_OUT.filter((name) => regions.some((region) => region.name === name)),
    violation: {
      oracle: record.oracle,
      signature: record.signature,
      nth: record.nth,
      scenario: record.scenario,
      strategy: record.strategy,
      seed: record.seed,
      atMs: record.atMs,
      thread: record.thread,
      detail: record.detail,
      ...(record.umem === undefined ? {} : { umem: record.umem }),
      ...(record.page === undefined ? {} : { page: record.page }),
      ...(record.range === undefined ? {} : { range: record.range }),
    },
    strategy,
    regions,
    plan,
  };
}

/** Half a file is never seen under its name. */
function writeBeside(path: string, data: string | Uint8Array): void {
  const temporary = `${path}.partial`;
  try {
    writeFileSync(temporary, data);
    renameSync(temporary, path);
  } catch (error) {
    rmSync(temporary, { force: true });
    throw error;
  }
}
