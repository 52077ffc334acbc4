import { describe, expect, it } from 'vitest';
import { pointWords } from '../../src/report/point-words.ts';
import { timeline } from '../../src/report/timeline.ts';
import { underflow } from './results-fixture.ts';

const draw = (overrides: Parameters<typeof underflow>[0] = {}, width = 110): string[] =>
  timeline(underflow(overrides), { width });

describe('a timeline', () => {
  it("draws the seed thread's first race as the mail does", () => {
    expect(draw()).toEqual([
      'counter-underflow #1 in seed private-count seed=42, noticed by madvise-0 at 100.000 ms',
      'the running count of umem 640 fell to -1',
      'range=[3..6] count=-1 (should be 0) seq=1',
      '',
      '        us madvise-0                                      | register-0',
      '----------------------------------------------------------+-----------------------------------------------',
      '    -500.0 madvise.enter [3..6]                           |',
      '    -400.0 section.started [3..6] section=2               |',
      '    -300.0                                                | umem.inserted [4..9] umem=640',
      '    -100.0 > umem.uncounted count=-1 seq=1 umem=640       |',
      '    +400.0                                                | register.done ok key=9 umem=640',
      'not drawn: touch-0, dma-0',
    ]);
  });

  it('collapses runs of the same point, but not over another thread', () => {
    const window = [1, 2, 3, 4, 5].map((n) => ({
      tid: n === 4 ? 1 : 0,
      timeMs: 99 + n / 10,
      point: 'dma.accessed' as const,
      args: [3, n, 0] as const,
      op: 1,
    }));
    const rows = draw({ window }).filter((line) => line.includes('dma.accessed'));
    // The last one of the noticing thread is the marked one and stands alone.
    expect(rows.map((row) => row.replace(/ +/g, ' ').trim())).toEqual([
      '-900.0 3 x dma.accessed page=3 frame=1 generation=0 |',
      '-600.0 | dma.accessed page=3 frame=4 generation=0',
      '-500.0 > dma.accessed page=3 frame=5 generation=0 |',
    ]);
  });

  it('sorts by time, however the threads were copied', () => {
    const { window } = underflow();
    expect(draw({ window: [...window].reverse() })).toEqual(draw());
  });

  it('keeps within the width, with fewer columns where there is less room', () => {
    for (const width of [60, 80, 100, 120, 160]) {
      const lines = draw({}, width).slice(4);
      for (const line of lines) expect(line.length).toBeLessThanOrEqual(width);
    }
    expect(
      draw({}, 60)
        .filter((line) => line.includes('not drawn'))
        .join(),
    ).toContain('register-0');
  });

  it('draws the threads that an audit found at odds, though the supervisor has no steps', () => {
    const lines = draw({ thread: { tid: 4, name: 'supervisor' }, oracle: 'counter-leak' });
    expect(lines[0]).toContain('noticed by supervisor');
    expect(lines[4]).not.toContain('supervisor');
    expect(lines.filter((line) => line.includes('> '))).toHaveLength(1);
  });

  it('gives the supervisor no column, though it prepared the memory', () => {
    const window = [
      { tid: 4, timeMs: 99.1, point: 'cpu.write' as const, args: [4, 1, 1] as const, op: 1 },
      ...underflow().window,
      { tid: 4, timeMs: 99.99, point: 'verb.end' as const, args: [1, 0, 0] as const, op: 1 },
    ];
    const lines = draw({ thread: { tid: 4, name: 'supervisor' }, oracle: 'counter-leak', window });
    expect(lines[4]).not.toContain('supervisor');
    expect(lines.find((line) => line.includes('> '))).toContain('umem.uncounted');
    expect(lines.at(-1)).toContain('supervisor');
  });

  it('says so when nothing was recorded', () => {
    expect(draw({ window: [] }).join('\n')).toContain('no points were recorded');
  });

  it('leaves out the oldest rows and counts them', () => {
    const window = Array.from({ length: 30 }, (_, n) => ({
      tid: n % 2,
      timeMs: 90 + n / 10,
      point: 'fault.retried' as const,
      args: [640, 4, n] as const,
      op: n,
    }));
    const lines = timeline(underflow({ window }), { width: 110, maxRows: 10 });
    expect(lines.find((line) => line.includes('earlier'))).toContain('(20 earlier points)');
    expect(lines.filter((line) => line.includes('fault.retried'))).toHaveLength(10);
  });
});

describe('a point in words', () => {
  it.each([
    ['section.started', [3, 6, 2], 'section.started [3..6] section=2'],
    ['section.started', [3, 3, 2], 'section.started [3] section=2'],
    ['umem.uncounted', [640, -1, 5], 'umem.uncounted count=-1 seq=5 umem=640'],
    ['frame.freed', [12, 3, 0x6b6b6b6b], 'frame.freed frame=12 generation=3 identity=0x6b6b6b6b'],
    ['madvise.enter', [1, 2, 99], 'madvise.enter [1..2]'],
  ] as const)('%s', (point, args, words) => {
    expect(pointWords(point, args)).toBe(words);
  });
});
