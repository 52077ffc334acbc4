import { describe, expect, it } from 'vitest';
import { openRaceLog } from '../../src/results/race-log.ts';
import { createRecordFile, type FileCalls } from '../../src/results/record-file.ts';
import { underflow } from '../report/results-fixture.ts';

/** A disk with room for `room` bytes; what is cut off a file is room again. */
function smallDisk(room: number): { files: FileCalls; content: () => string; grow: (bytes: number) => void } {
  let data = Buffer.alloc(0);
  let left = room;
  const full = (): never => {
    throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' });
  };
  return {
    content: () => data.toString('utf8'),
    grow: (bytes) => {
      left += bytes;
    },
    files: {
      open: () => 3,
      write: (_fd, bytes, from) => {
        if (left === 0) full();
        const part = bytes.subarray(from, from + left);
        data = Buffer.concat([data, part]);
        left -= part.length;
        return part.length;
      },
      truncate: (_fd, size) => {
        left += data.length - size;
        data = data.subarray(0, size);
      },
      sync: () => {},
      close: () => {},
    },
  };
}

describe('a disk that fills up', () => {
  it('keeps the records that are written whole, cuts the half one off, counts and reports the loss once', () => {
    const disk = smallDisk(25);
    const reasons: string[] = [];
    const file = createRecordFile({ pathOf: String, files: disk.files, onLost: (reason) => reasons.push(reason) });
    for (const line of ['0123456789\n', '0123456789\n', '0123456789\n', '0123456789\n']) file.write(line);
    expect(disk.content()).toBe('0123456789\n0123456789\n');
    expect(file.written()).toBe(2);
    expect(file.lost()).toBe(2);
    expect(reasons).toEqual(['ENOSPC']);
  });

  it('goes on when there is room again', () => {
    const disk = smallDisk(15);
    const file = createRecordFile({ pathOf: String, files: disk.files });
    file.write('0123456789\n');
    file.write('lost......\n');
    disk.grow(100);
    file.write('abcdefghij\n');
    expect(disk.content()).toBe('0123456789\nabcdefghij\n');
    expect(file.lost()).toBe(1);
  });

  it('loses no count when the file cannot even be created', () => {
    const disk = smallDisk(0);
    const log = openRaceLog({
      dir: '/nowhere',
      files: {
        ...disk.files,
        open: () => {
          throw Object.assign(new Error('read-only'), { code: 'EROFS' });
        },
      },
    });
    log.add(underflow());
    log.add(underflow());
    expect(log.lost()).toBe(2);
    log.close();
  });

  it('counts a flush that fails: what was in the cache may be gone', () => {
    const disk = smallDisk(100);
    const file = createRecordFile({
      pathOf: String,
      files: {
        ...disk.files,
        sync: () => {
          throw Object.assign(new Error('io'), { code: 'EIO' });
        },
      },
    });
    file.write('x\n');
    file.close();
    expect(file.lost()).toBe(1);
  });
});
