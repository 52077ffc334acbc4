import { describe, expect, it } from 'vitest';
import { isSafety, LIVENESS, ORACLE, ORACLE_NAMES } from '../../src/oracles/names.ts';
import { type Evidence, judge } from '../../src/oracles/verdict.ts';

const EVIDENCE: Evidence = { counts: {}, must: [], may: [], lacking: [], broken: null };
const MUST = ['counter-underflow'];
const MAY = ['stale-dma'];
const THIN = ['fault-in-section 3, at least 20 needed'];

describe('judge', () => {
  it.each<[string, Partial<Evidence>, string, boolean | null, RegExp]>([
    ['nothing seen, nothing expected', {}, 'SUCCESS', true, /^$/],
    ['nothing seen of what may be', { may: MAY }, 'SUCCESS', true, /^$/],
    ['what must be', { counts: { 'counter-underflow': 1 }, must: MUST }, 'FAILURE', true, /^$/],
    [
      'what must and what may be',
      { counts: { 'counter-underflow': 1, 'stale-dma': 7 }, must: MUST, may: MAY },
      'FAILURE',
      true,
      /^$/,
    ],
    ['a must that was not seen', { must: MUST }, 'SUCCESS', false, /expected and not seen: counter-underflow/],
    [
      'a may without its must',
      { counts: { 'stale-dma': 1 }, must: MUST, may: MAY },
      'FAILURE',
      false,
      /not seen: counter-underflow/,
    ],
    ['what is not expected', { counts: { leak: 1 } }, 'FAILURE', false, /not expected: leak/],
    [
      'what is not expected beside what is',
      { counts: { 'counter-underflow': 3, leak: 1 }, must: MUST },
      'FAILURE',
      false,
      /not expected: leak$/,
    ],
    ['a count of 0', { counts: { leak: 0 } }, 'SUCCESS', true, /^$/],
    ['nothing, with too little evidence', { lacking: THIN }, 'UNKNOWN', null, /fault-in-section 3/],
    ['a must not seen, with too little evidence', { must: MUST, lacking: THIN }, 'UNKNOWN', null, /not seen: counter/],
    [
      'a may without its must, with too little evidence',
      { counts: { 'stale-dma': 1 }, must: MUST, may: MAY, lacking: THIN },
      'FAILURE',
      null,
      /not seen: counter-underflow; fault-in-section/,
    ],
    [
      'all that must be, with too little evidence',
      { counts: { 'counter-underflow': 1 }, must: MUST, lacking: THIN },
      'FAILURE',
      true,
      /^$/,
    ],
    [
      'what is not expected, with too little evidence',
      { counts: { leak: 1 }, lacking: THIN },
      'FAILURE',
      false,
      /not expected: leak/,
    ],
    ['nothing, in a broken cell', { broken: 'hang: dma-0' }, 'UNKNOWN', null, /hang: dma-0/],
    [
      'what must be, in a broken cell',
      { counts: { 'counter-underflow': 1 }, must: MUST, broken: 'hang: dma-0' },
      'FAILURE',
      null,
      /hang: dma-0/,
    ],
    [
      'a must not seen, in a broken cell with too little evidence',
      { must: MUST, lacking: THIN, broken: 'hang: dma-0' },
      'UNKNOWN',
      null,
      /not seen: counter-underflow; hang: dma-0; fault-in-section/,
    ],
    [
      'what is not expected, in a broken cell',
      { counts: { leak: 1 }, broken: 'hang: dma-0' },
      'FAILURE',
      false,
      /not expected: leak/,
    ],
  ])('%s', (_what, evidence, verdict, asExpected, why) => {
    const judgement = judge({ ...EVIDENCE, ...evidence });
    expect(judgement).toMatchObject({ verdict, asExpected });
    expect(judgement.why).toMatch(why);
  });

  it('says why exactly when it is not as expected', () => {
    for (const name of ORACLE_NAMES)
      for (const must of [[], [name]])
        for (const n of [0, 1])
          for (const lacking of [[], THIN])
            for (const broken of [null, 'hang']) {
              const judgement = judge({ counts: { [name]: n }, must, may: [], lacking, broken });
              expect(judgement.why === '', JSON.stringify({ name, must, n, lacking, broken })).toBe(
                judgement.asExpected === true,
              );
              expect(judgement.verdict === 'FAILURE').toBe(n > 0);
            }
  });
});

describe('the oracles', () => {
  it('are numbered in their order', () => {
    expect(ORACLE_NAMES.map((name) => ORACLE[name])).toEqual(ORACLE_NAMES.map((_, i) => i));
  });

  it('are of safety but for four', () => {
    expect(LIVENESS).toEqual(['starvation', 'deadlock', 'inactive-while-idle', 'lost-wakeup']);
    expect(ORACLE_NAMES.filter((name) => !isSafety(name))).toEqual(LIVENESS);
  });
});
