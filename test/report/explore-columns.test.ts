import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { raceColumns } from '../../src/report/explore-columns.ts';
import { COLORED } from '../../src/report/style.ts';
import { POINT } from '../../src/trace/points.ts';
import { ACCESS, SEED_STEPS, seedPicture, step } from './explore-fixture.ts';

const SEED = 20_140_911;
const rows = (lines: readonly string[]): string[] => lines.filter((line) => /^ *\d+ /.test(line));
/** What is in the columns, without the numbers. */
const cells = (lines: readonly string[]): string[] =>
  rows(lines).map((line) => line.replace(/^ *\d+ +[~>]* */, '').replace(/ +\|/, ' |'));

describe('the columns of a schedule', () => {
  it('are drawn as the seed thread draws them, and the finding is the last line', () => {
    expect(raceColumns(seedPicture(), { width: 80 })).toEqual([
      'assertion in model-a: 9 steps, 1 preemption',
      'found by pos, seed 1, in schedule 3460',
      '`:` a lock is held; `~` a thread was stopped here that could have gone on; `>`',
      'the two steps whose order decides',
      '',
      '     madvise                 | rdma',
      '-----------------------------+--------------------',
      '1    down_read mmap_lock     |',
      '2    : load in_tree -> 0     |',
      '3 ~  :                       | down_read mmap_lock',
      '4  > :                       | : store in_tree = 1',
      '5    :                       | up_read mmap_lock',
      '6  > : load in_tree -> 1     |',
      '7    : mutex_lock umem_mutex |',
      '8    : : add seq: 0 -> 1     |',
      '9    : : add count: 0 -> -1  |',
      '==> assertion: count of -1',
    ]);
  });

  it('say of each operation what it read and wrote', () => {
    const steps = [
      step(0, 'exchange', 5, 3, 9),
      step(0, 'compareExchange', 5, 9, 4),
      step(0, 'compareExchange', 5, 9, 7, { access: ACCESS.read }),
      step(0, 'or', 5, 4, 3),
      step(0, 'and', 5, 7, 5),
      step(0, 'mutexTrylock', 2, 0),
      step(0, 'mutexTrylock', 2, 1),
      step(0, 'mutexUnlock', 2),
      step(0, 'wait', 5, 1, 5),
      step(0, 'resume', 5, 1),
      step(0, 'wait', 5, 0, 8, { access: ACCESS.read }),
      step(0, 'resume', 5, 0),
      step(0, 'notify', 5, 2, 100),
      step(0, 'until', 5, 1, 6),
      step(0, 'relax'),
    ];
    expect(cells(raceColumns(seedPicture({ steps, race: null })))).toEqual([
      'exchange count: 3 -> 9',
      'compareExchange count: 9 -> 4',
      'compareExchange count: is 9, not changed',
      'or count: 4 -> 7',
      'and count: 7 -> 5',
      'mutex_trylock umem_mutex: busy',
      'mutex_trylock umem_mutex',
      'mutex_unlock umem_mutex',
      'wait count while 5',
      'resume count',
      'wait count not: no longer 8',
      'resume count: timed out',
      'notify count wakes 2',
      'until count not 6',
      'relax',
    ]);
  });

  it('collapse what repeats, a step or a few, but not over another thread or a marked step', () => {
    const spin = Array.from({ length: 10 }, () => [step(0, 'load', 3, 0), step(0, 'load', 5, 0), step(0, 'relax')]);
    const lines = raceColumns(
      seedPicture({
        steps: [...spin.flat(), step(1, 'store', 3, 1, 1), ...Array.from({ length: 12 }, () => step(0, 'load', 3, 1))],
        race: [30, 31],
      }),
    );
    expect(rows(lines).map((line) => line.replace(/ +/g, ' ').trim())).toEqual([
      '1 load in_tree -> 0 |',
      '2 load count -> 0 |',
      '30 relax ... the last 3 10 times |',
      '31 ~> | store in_tree = 1',
      '32 ~> load in_tree -> 1 |',
      '43 load in_tree -> 1 ... 11 times |',
    ]);
    const inTheMiddle = Array.from({ length: 11 }, () => step(0, 'load', 3, 0));
    expect(
      cells(raceColumns(seedPicture({ steps: [...inTheMiddle, step(1, 'relax')], race: [5, 11] }))).slice(0, 3),
    ).toEqual(['load in_tree -> 0 ... 5 times |', 'load in_tree -> 0 |', 'load in_tree -> 0 ... 5 times |']);
  });

  it('stand for every step: none is lost, whatever repeats', () => {
    const one = fc.record({ tid: fc.integer({ min: 0, max: 1 }), addr: fc.integer({ min: 3, max: 4 }) });
    fc.assert(
      fc.property(fc.array(one, { maxLength: 60 }), (list) => {
        const steps = list.map(({ tid, addr }) => step(tid, 'load', addr, 0, 0, { enabled: 0 }));
        const drawn = rows(raceColumns(seedPicture({ steps, race: null }), { width: 200 }));
        let count = 0;
        const alone: number[] = [];
        for (const line of drawn) {
          const [, period, times] = / \.\.\. (?:the last (\d+) )?(\d+) times/.exec(line) ?? [];
          count += times === undefined ? 1 : Number(times) * Number(period ?? 1) - (Number(period ?? 1) - 1);
          alone.push(Number(/^ *(\d+)/.exec(line)![1]));
          expect(alone.at(-1)).toBe(count);
        }
        expect(count).toBe(steps.length);
      }),
      { seed: SEED },
    );
  });

  it('show points of the protocol before the step that they name, and behind the last one', () => {
    const args = [2, 5, 64] as const;
    const picture = seedPicture({
      labels: [
        { step: 0, tid: 0, point: POINT['madvise.enter'], args: [2, 5, 0] },
        { step: 2, tid: 0, point: POINT['section.started'], args },
        { step: 9, tid: 0, point: POINT['section.ended'], args },
      ],
    });
    const lines = raceColumns(picture);
    const at = (text: string): number => lines.findIndex((line) => line.includes(text));
    expect(at('-- madvise.enter [2..5]')).toBe(at('1    down_read') - 1);
    expect(at('-- section.started [2..5] section=64')).toBe(at('3 ~') - 1);
    expect(at('-- section.ended')).toBe(at('==>') - 1);
    expect(raceColumns(picture, { labels: false })).toEqual(raceColumns(seedPicture()));
  });

  it('keep within the width, and cut the widest columns only', () => {
    const threads = ['a', 'b', 'c'];
    const names = [...SEED_STEPS, step(2, 'compareExchange', 6, 1_000_000, 2_000_000), step(2, 'relax')];
    for (const width of [60, 80, 100, 120]) {
      const lines = raceColumns(seedPicture({ steps: names, threads }), { width });
      for (const line of lines) expect(line.length, `${width}: ${line}`).toBeLessThanOrEqual(width);
      expect(lines.join('\n').includes('~ '), String(width)).toBe(true);
    }
    expect(raceColumns(seedPicture({ steps: names, threads }), { width: 120 }).join('\n')).toContain(
      'compareExchange <b>&"word": 1000000 -> 2000000',
    );
  });

  it('leave out threads without a step, and say so', () => {
    const lines = raceColumns(seedPicture({ threads: ['madvise', 'rdma', 'idle'] }));
    expect(lines.join('\n')).toContain('without a step: idle');
    expect(lines.find((line) => line.includes('madvise  '))).not.toContain('idle');
  });

  it('end with what happened when nothing was found, and mark where a replay differed', () => {
    const lines = raceColumns(
      seedPicture({ found: false, divergence: { step: 3, expected: 'rdma: load seq', found: 'rdma: store in_tree' } }),
    );
    expect(lines.at(-1)).toBe('==> all threads ended, nothing was found');
    const at = lines.findIndex((line) => line.startsWith('***'));
    expect(lines[at]).toContain('step 4 is not as recorded: expected rdma: load seq; found rdma: store in_tree');
    expect(lines[at + 1]).toMatch(/^4 /);
  });

  it('can be cut to the last rows', () => {
    const lines = raceColumns(seedPicture(), { maxRows: 3 });
    expect(rows(lines).map((line) => line[0])).toEqual(['7', '8', '9']);
    expect(lines.join('\n')).toContain('(6 lines before)');
  });

  it('are red where they race and where they end', () => {
    const lines = raceColumns(seedPicture(), { style: COLORED });
    expect(lines.filter((line) => line.startsWith('\u001b[31m')).length).toBe(3);
  });
});
