import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { durationOf, wholeOf } from '../../bench/arguments.ts';
import { emptySection, madeBy, withSection, writeSection } from '../../bench/doc-section.ts';
import { medianOver, orderOf, ratioCells, ratioOver } from '../../bench/level-ratios.ts';
import { packageRoot } from '../../src/cli/package-root.ts';

describe('a generated section of a document', () => {
  let dir: string;
  beforeAll(() => {
    dir = mkdtempSync(join(tmpdir(), 'odptorture-section-'));
  });
  afterAll(() => rmSync(dir, { recursive: true, force: true }));

  it('is replaced, and what was written by hand around it stays', () => {
    const text = `# By hand\n\n${emptySection('one')}\nIn between.\n\n${emptySection('two')}\nBehind.\n`;
    const once = withSection(text, 'two', '  new\nlines\n\n');
    expect(once).toBe(
      `# By hand\n\n${emptySection('one')}\nIn between.\n\n<!-- two: begin -->\nnew\nlines\n<!-- two: end -->\n\nBehind.\n`,
    );
    expect(withSection(once, 'two', 'newer')).toBe(once.replace('new\nlines', 'newer'));
    expect(() => withSection(text, 'three', 'x')).toThrow("there is no '<!-- three: begin -->'");
    expect(() => withSection('<!-- a: end --><!-- a: begin -->', 'a', 'x')).toThrow(RangeError);
  });

  it('is written into its file', () => {
    const file = join(dir, 'x.md');
    writeFileSync(file, emptySection('one'));
    writeSection(file, 'one', madeBy('some-bench', 'Somewhere.', 'head\nrow'));
    const text = readFileSync(file, 'utf8');
    expect(text).toContain('\n    npm run build && node dist/bench/some-bench.js');
    expect(text).toContain('\nSomewhere.\n\n    head\n    row\n<!--');
  });

  it.each(['lock-stat', 'mixed-cost'])('docs/lock-stat.md has one for %s, made by a command that it names', (name) => {
    const text = readFileSync(join(packageRoot(), 'docs/lock-stat.md'), 'utf8');
    const section = text.split(`<!-- ${name}: begin -->`)[1]!.split(`<!-- ${name}: end -->`)[0]!;
    expect(section).toMatch(new RegExp(`node dist/bench/${name}\\.js .*--out docs/lock-stat\\.md`));
    expect(section).toMatch(/\n {4}\S.* 1\.000 +1\.000\.\.1\.000/);
  });
});

describe('what the benches share', () => {
  it('is a ratio in each round, and its interval over the generations', () => {
    // Seven generations of three rounds, on a machine that is now fast, now slow; one round of each met a stall.
    const generations = [1, 5, 2, 9, 1, 3, 7].map((slow, nth) =>
      [slow, 3 * slow, 2 * slow].map((base, n) => ({ base, own: base * (n === nth % 3 ? 50 : 3 + nth / 10) })),
    );
    const { n, ...ratio } = ratioOver(generations, ({ own, base }) => own / base);
    expect(n).toBe(7);
    expect(ratio.median).toBeCloseTo(3.3, 12);
    // No narrower than what the generations differ by.
    expect(ratio.lo).toBeLessThan(3.2);
    expect(ratio.hi).toBeGreaterThan(3.4);
    expect(medianOver(generations, ({ base }) => base)).toBe(6);
    expect(ratioCells({ median: 1.0456, lo: 0.86, hi: 1.1712, n: 9 })).toEqual(['1.046', '0.860..1.171']);
  });

  it('is an order of its own in each round, the same whenever it is asked for', () => {
    const orders = Array.from({ length: 20 }, (_, round) => orderOf(round, 4));
    for (const order of orders) expect([...order].sort()).toEqual([0, 1, 2, 3]);
    expect(new Set(orders.map((order) => order[0])).size).toBe(4);
    expect(orderOf(7, 4)).toEqual(orders[7]);
  });

  it('is what they say of arguments that are none', () => {
    expect([wholeOf('--rounds', '12'), durationOf('--duration', '2s')]).toEqual([12, 2000]);
    for (const text of ['0', '1.5', 'x', '-3']) expect(() => wholeOf('--rounds', text)).toThrow('--rounds');
    for (const text of ['0s', 'soon']) expect(() => durationOf('--duration', text)).toThrow('--duration');
  });
});
