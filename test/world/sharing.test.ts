import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, it } from 'vitest';
import { STRATEGIES } from '../../src/strategies/index.ts';

interface Report {
  readonly apart: Readonly<Record<string, readonly string[]>>;
  readonly together: readonly string[];
}

describe('two threads that do refaults, traced and observed', () => {
  let report: Report;
  beforeAll(() => {
    const host = fileURLToPath(new URL('./sharing-process.js', import.meta.url));
    report = JSON.parse(execFileSync(process.execPath, [host], { encoding: 'utf8', timeout: 60_000 }));
  }, 70_000);

  // With two cores two mms are to do twice what one does.
  it.each(
    STRATEGIES.filter(({ pins }) => !pins).map(({ name }) => name),
  )('%s: in an mm each, have no cache line in common that one of them writes', (strategy) => {
    expect(report.apart[strategy]).toEqual([]);
  });

  it('in one mm, have its locks in common', () => {
    for (const word of ['mm.mm[0]+', 'mm.ptl[0]+0', 'odp.umem[1]+', 'hca.mtt[1]+0'])
      expect(report.together.join('\n')).toContain(word);
  });
});
