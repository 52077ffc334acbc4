import type { Strategy } from '../odp/strategy.ts';
import { privateCount } from './private-count.ts';
import { countedEnd } from './running-count.ts';

/**
 * `private-count` with the workaround of the patch.
 *
 * - end: a count of 0 is not decremented; the sequence moves all the same.
 * - all else is as in private-count.
 * - a section that began before the umem is not counted, so faults go through while it runs;
 * - and where a second section is counted, the unpaired end of the first takes its count away.
 */
export const privateCountClamped: Strategy = {
  ...privateCount,
  name: 'private-count-clamped',
  title: 'the same, but the count never goes below zero',
  origin: 'the workaround in the v1 patch, and in OFED trees that carried it',
  reasoning:
    'Clamping hides the unpaired end. A fault inside the section that began before the registration sees a count of 0 and maps a page that is about to be freed; and an unpaired end may take the count of another section that is still running.',
  rangeEnd: (actor, ctx, _section, start, last) => countedEnd(actor, ctx, start, last, true),
  expected: (_era, { onePass }) => ({
    // Beside all the others the right two sections are seldom those that meet: mixed shows none to three in ten seconds.
    must: onePass === true ? [] : ['entry-in-section'],
    may: [...(onePass === true ? ['entry-in-section'] : []), 'stale-dma', 'stale-mapping', 'data-corruption'],
    reason:
      'the seed thread, Shachar Raindel: "avoid decreasing the notifiers count if it is zero, which can cause other issues"',
  }),
};
