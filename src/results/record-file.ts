import { closeSync, existsSync, fsyncSync, ftruncateSync, openSync, renameSync, writeSync } from 'node:fs';
import { dirname } from 'node:path';
import { systemReason } from '../scenario/errors.ts';
import { syncFolder } from './folder.ts';

/** The file calls that are used; tests pass a disk that is full. */
export interface FileCalls {
  open(path: string): number;
  /** Opens a file of an earlier session to append; what stands behind `size` is cut off. */
  reopen?(path: string, size: number): number;
  /** Returns how many bytes were taken, which may be fewer than were given. */
  write(fd: number, bytes: Uint8Array, from: number): number;
  truncate(fd: number, size: number): void;
  sync(fd: number): void;
  close(fd: number): void;
  /** Gives a complete file its own name. */
  rename?(from: string, to: string): void;
  exists?(path: string): boolean;
  /** Makes the names in the folder of `path` last. */
  syncNames?(path: string): void;
}

const NODE_FILES: Required<FileCalls> = {
  open: (path) => openSync(path, 'wx'),
  reopen: (path, size) => {
    const fd = openSync(path, 'a');
    ftruncateSync(fd, size);
    return fd;
  },
  write: (fd, bytes, from) => writeSync(fd, bytes, from),
  truncate: ftruncateSync,
  sync: fsyncSync,
  close: closeSync,
  rename: renameSync,
  exists: existsSync,
  syncNames: (path) => syncFolder(dirname(path)),
};

export interface RecordFileOptions {
  /** Path of the n-th file, from 1. */
  readonly pathOf: (n: number) => string;
  /** Its path while it is written; it gets its own when it is complete and on the disk. Default: it has that from the start. */
  readonly openPathOf?: (n: number) => string;
  /** A new file is begun before a record would take the current one past this size. Default: never. */
  readonly maxBytes?: number;
  /** Told of the first record that was lost, with the system's reason. */
  readonly onLost?: (reason: string) => void;
  readonly files?: Partial<FileCalls>;
  /** Goes on where an earlier session had come to. */
  readonly resume?: RecordPosition;
}

/** How far a row of files has come: the number of the last one (0: none yet), its size, and the records in all of them. */
export interface RecordPosition {
  readonly file: number;
  readonly bytes: number;
  readonly records: number;
}

/** A stream for pino: each `write` is one whole record. */
export interface RecordFile {
  write(line: string): void;
  /** Records written, and records that could not be. */
  readonly written: () => number;
  readonly lost: () => number;
  readonly position: () => RecordPosition;
  /** Flushes to the disk; a record that this could not save is counted as lost. */
  sync(): void;
  /** Flushes to the disk and closes: the last file is complete, too. Safe to call twice. */
  close(): void;
}

/**
 * Appends whole records to a row of files. Writes are synchronous, so that a process that is killed loses nothing that was
 * reported; a file is only changed for the next between two records; a record that fits only in part (a full disk) is cut off
 * again, so that every line that stands in a file is whole.
 */
export function createRecordFile(options: RecordFileOptions): RecordFile {
  const files = { ...NODE_FILES, ...options.files };
  const { pathOf, openPathOf, maxBytes = Number.POSITIVE_INFINITY } = options;
  let fd = -1;
  let fileNumber = options.resume?.file ?? 0;
  let size = options.resume?.bytes ?? 0;
  let written = options.resume?.records ?? 0;
  let lost = 0;
  const isComplete = openPathOf !== undefined && files.exists(pathOf(fileNumber));
  if (fileNumber > 0 && !isComplete) fd = files.reopen((openPathOf ?? pathOf)(fileNumber), size);

  const lose = (error: unknown): void => {
    lost++;
    if (lost === 1) options.onLost?.(systemReason(error));
  };

  /** False: what was written may be gone. */
  const sync = (): boolean => {
    if (fd < 0) return true;
    try {
      files.sync(fd);
    } catch (error) {
      // Pipes and some file systems cannot sync; what was written is still there.
      if (['EINVAL', 'ENOTSUP', 'EROFS'].includes(systemReason(error))) return true;
      lose(error);
      return false;
    }
    return true;
  };

  /** Ends the file that is open. Flushed first: what has the name of a complete file must be one, also after a loss of power. */
  const complete = (): void => {
    const isWhole = sync();
    closeQuietly(files, fd);
    fd = -1;
    if (openPathOf === undefined || !isWhole) return;
    try {
      files.rename(openPathOf(fileNumber), pathOf(fileNumber));
    } catch {
      // Its records are all there; only its name says less than could be said.
    }
  };

  const next = (): void => {
    if (fd >= 0) complete();
    // The number counts attempts: a file that could not be created is not tried twice.
    fileNumber++;
    size = 0;
    fd = files.open((openPathOf ?? pathOf)(fileNumber));
    if (openPathOf !== undefined) files.syncNames(pathOf(fileNumber));
  };

  return {
    write(line) {
      const bytes = Buffer.from(line, 'utf8');
      let done = 0;
      try {
        if (fd < 0 || (size > 0 && size + bytes.length > maxBytes)) next();
        while (done < bytes.length) {
          const taken = files.write(fd, bytes, done);
          if (taken <= 0) throw new Error('the write took no bytes');
          done += taken;
        }
        size += bytes.length;
        written++;
      } catch (error) {
        lose(error);
        if (done > 0) undo(files, fd, size);
      }
    },
    written: () => written,
    lost: () => lost,
    position: () => ({ file: fileNumber, bytes: size, records: written }),
    sync,
    close() {
      if (fd < 0) return;
      complete();
      if (openPathOf !== undefined) files.syncNames(pathOf(fileNumber));
    },
  };
}

function undo(files: FileCalls, fd: number, size: number): void {
  try {
    files.truncate(fd, size);
  } catch {
    // Not a regular file: the half record stays, and the count of lost records says so.
  }
}

function closeQuietly(files: FileCalls, fd: number): void {
  try {
    files.close(fd);
  } catch {
    // The records are written; there is nothing left that could be saved.
  }
}
