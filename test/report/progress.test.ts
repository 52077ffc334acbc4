import { describe, expect, it } from 'vitest';
import { createStatus } from '../../src/report/status.ts';
import type { CellProgress } from '../../src/results/types.ts';

const progress = (elapsedMs: number): CellProgress => ({
  elapsedMs,
  durationMs: 1e9,
  operations: { fault: 1000, section: 2000, register: 10 },
  violations: { 'stale-dma': 3 },
  exposures: { 'register-in-section': 1234 },
});

function recorded(live: boolean) {
  const writes: string[] = [];
  let time = 0;
  const status = createStatus({
    stream: { write: (text: string) => writes.push(text), columns: 60 },
    live,
    cells: 3,
    now: () => time,
  });
  status.begin(1, 'seed pinned');
  return { writes, status, at: (ms: number) => (time = ms) };
}

describe('progress', () => {
  it('without a terminal writes fewer than a hundred lines in a night, the first within a minute', () => {
    const { writes, status, at } = recorded(false);
    const night = 12 * 3_600_000;
    let firstAt = 0;
    for (let ms = 0; ms <= night; ms += 250) {
      at(ms);
      status.progress(progress(ms));
      if (firstAt === 0 && writes.length > 0) firstAt = ms;
    }
    expect(firstAt).toBeLessThan(60_000);
    expect(writes.length).toBeGreaterThan(20);
    expect(writes.length).toBeLessThan(100);
    expect(writes[0]).toBe(
      'odptorture: 10.0s [2/3] seed pinned faults 100/s, sections 200/s, registrations 1/s; stale-dma 3 in 1,234 exposures\n',
    );
    // biome-ignore lint/suspicious/noControlCharactersInRegex: none may be there
    expect(writes.join('')).not.toMatch(/\u001b/);
  });

  it('on a terminal repaints at most four times a second, in place and within the width', () => {
    const { writes, status, at } = recorded(true);
    for (let ms = 0; ms < 1000; ms += 10) {
      at(ms);
      status.progress(progress(ms));
    }
    expect(writes).toHaveLength(4);
    expect(writes[0]).not.toContain('\u001b');
    for (const text of writes.slice(1)) expect(text.startsWith('\u001b[3A\r\u001b[J')).toBe(true);
    for (const line of writes[0]!.split('\n')) expect(line.length).toBeLessThan(60);
  });

  it('clears the block for other output, once', () => {
    const { writes, status } = recorded(true);
    status.progress(progress(10));
    status.clear();
    status.clear();
    status.end();
    expect(writes.slice(1)).toEqual(['\u001b[3A\r\u001b[J']);
  });
});
