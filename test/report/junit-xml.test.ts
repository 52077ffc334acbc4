import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { junit } from '../../src/report/junit.ts';
import { cellResult, failedCell } from './results-fixture.ts';

/** A strict reader of the little XML that is written: tags must nest, attributes be quoted and escaped. Returns each tag. */
function readXml(text: string): { name: string; attributes: Record<string, string> }[] {
  const tags: { name: string; attributes: Record<string, string> }[] = [];
  const open: string[] = [];
  let rest = text.replace(/^<\?xml version="1\.0" encoding="UTF-8"\?>\n/, '');
  while (rest.trim() !== '') {
    const match = /^\s*<(\/?)([a-z]+)((?: [a-z]+="[^"<>]*")*)(\/?)>/.exec(rest);
    if (match === null) throw new Error(`not well-formed at: ${rest.slice(0, 80)}`);
    rest = rest.slice(match[0].length);
    const [, closing, name = '', attributeText = '', empty] = match;
    if (closing === '/') {
      if (open.pop() !== name) throw new Error(`</${name}> does not close what is open`);
      continue;
    }
    const attributes: Record<string, string> = {};
    for (const [, key, value] of attributeText.matchAll(/ ([a-z]+)="([^"]*)"/g)) {
      if (/&(?!amp;|lt;|gt;|quot;|#\d+;)/.test(value!)) throw new Error(`a bare & in ${value}`);
      attributes[key!] = value!
        .replaceAll('&quot;', '"')
        .replaceAll('&lt;', '<')
        .replaceAll('&gt;', '>')
        .replaceAll('&#10;', '\n')
        .replaceAll('&amp;', '&');
    }
    tags.push({ name, attributes });
    if (empty !== '/') open.push(name);
  }
  if (open.length > 0) throw new Error(`${open.join()} not closed`);
  return tags;
}

const options = { judgedBy: 'expectations', thresholds: [] } as const;

describe('junit.xml', () => {
  it('has a suite for each scenario and a case for each cell', () => {
    const cells = [
      failedCell(),
      failedCell({ strategy: 'b', asExpected: false, why: 'not expected' }),
      cellResult({ strategy: 'c', asExpected: null, why: 'too little' }),
      cellResult({ strategy: 'd', asExpected: null, fault: { kind: 'hang', thread: 't', message: 'm' } }),
      cellResult({ scenario: 'other' }),
    ];
    const tags = readXml(junit(cells, options));
    expect(tags.filter((tag) => tag.name === 'testsuite').map((tag) => tag.attributes)).toEqual([
      { name: 'seed', tests: '4', failures: '1', errors: '1', skipped: '1', time: '8.000' },
      { name: 'other', tests: '1', failures: '0', errors: '0', skipped: '0', time: '2.000' },
    ]);
    expect(tags.filter((tag) => tag.name === 'testcase')).toHaveLength(5);
    expect(tags.find((tag) => tag.name === 'failure')!.attributes.message).toBe(
      'not expected; counter-underflow 1204, stale-dma 3',
    );
  });

  it('judges by violations for a run', () => {
    expect(readXml(junit([failedCell()], { ...options, judgedBy: 'violations' })).map((tag) => tag.name)).toContain(
      'failure',
    );
    expect(readXml(junit([failedCell()], options)).map((tag) => tag.name)).not.toContain('failure');
  });

  it('counts a missed threshold as a failure of its cell only', () => {
    const missed = {
      scenario: 'seed',
      strategy: 'context-count',
      seed: 1,
      threshold: 'faults_per_s>9',
      value: 1,
      met: false,
    };
    const tags = readXml(junit([cellResult(), cellResult({ seed: 2 })], { ...options, thresholds: [missed] }));
    expect(tags.filter((tag) => tag.name === 'failure').map((tag) => tag.attributes.message)).toEqual([
      'faults_per_s>9 missed: 1',
    ]);
  });

  it('stays well-formed whatever a thread says when it crashes', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', maxLength: 40 }), (message) => {
        const cell = cellResult({ asExpected: null, fault: { kind: 'thread-threw', thread: 'a"<b>&', message } });
        const [error] = readXml(junit([cell], options)).filter((tag) => tag.name === 'error');
        expect(error!.attributes.message!.startsWith('thread-threw in a"<b>&: ')).toBe(true);
      }),
      { seed: 11, numRuns: 300 },
    );
  });
});
