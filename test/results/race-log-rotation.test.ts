import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openRaceLog } from '../../src/results/race-log.ts';
import { createRecordFile } from '../../src/results/record-file.ts';
import { underflow } from '../report/results-fixture.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'odp-races-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

const filesInOrder = (): string[] =>
  readdirSync(dir).sort((a, b) => Number(/\d+/.exec(a)![0]) - Number(/\d+/.exec(b)![0]));

describe('the race log', () => {
  it('is cut only between records, whatever their lengths and the size limit', () => {
    fc.assert(
      fc.property(
        fc.array(fc.string({ unit: 'grapheme', maxLength: 60 }), { minLength: 1, maxLength: 40 }),
        fc.integer({ min: 1, max: 300 }),
        // The system may take fewer bytes than it is given.
        fc.integer({ min: 1, max: 50 }),
        (texts, maxBytes, chunk) => {
          const written: Buffer[][] = [];
          const file = createRecordFile({
            maxBytes,
            pathOf: (n) => String(n),
            files: {
              open: () => written.push([]) - 1,
              write: (fd, bytes, from) => {
                const part = Buffer.from(bytes.subarray(from, from + chunk));
                written[fd]!.push(part);
                return part.length;
              },
              truncate: () => {},
              sync: () => {},
              close: () => {},
            },
          });
          const lines = texts.map((text) => `${JSON.stringify({ text })}\n`);
          for (const line of lines) file.write(line);
          file.close();
          const contents = written.map((parts) => Buffer.concat(parts));
          for (const content of contents) {
            expect(content.at(-1)).toBe(10);
            // Over the limit only when one record alone is.
            const whole = content.toString('utf8').split('\n').slice(0, -1);
            expect(content.length <= maxBytes || whole.length === 1).toBe(true);
          }
          expect(Buffer.concat(contents).toString('utf8')).toBe(lines.join(''));
          expect(file.written()).toBe(lines.length);
        },
      ),
      { seed: 3, numRuns: 300 },
    );
  });

  it('holds every record once, each a whole line, in files below the limit', () => {
    const maxBytes = 6000;
    const log = openRaceLog({ dir, maxBytes });
    for (let nth = 1; nth <= 100; nth++) log.add(underflow({ nth, detail: 'ä'.repeat(nth) }));
    log.close();
    const files = filesInOrder();
    expect(files[0]).toBe('races-1.ndjson');
    expect(files.length).toBeGreaterThan(10);
    for (const file of files) expect(statSync(join(dir, file)).size).toBeLessThanOrEqual(maxBytes);
    const records = files.flatMap((file) =>
      readFileSync(join(dir, file), 'utf8')
        .trimEnd()
        .split('\n')
        .map((line) => JSON.parse(line) as { nth: number }),
    );
    expect(records.map((record) => record.nth)).toEqual(Array.from({ length: 100 }, (_, i) => i + 1));
    expect(records[0]).toMatchObject(JSON.parse(JSON.stringify(underflow({ detail: 'ä' }))));
    expect(log.written()).toBe(100);
    expect(log.lost()).toBe(0);
  });

  it('makes no file when nothing was found', () => {
    openRaceLog({ dir }).close();
    expect(readdirSync(dir)).toEqual([]);
  });
});
