import type { Traits } from '../odp/strategy.ts';

/**
 * What a design may earn whose start takes something that it keeps until its end, and for which others wait: held-rwsem's rwsem, a slot of
 * a pool. A section inside that section wants it once more, and a lock of the reverse map that is taken in it is held by others who begin
 * sections; both can end in a deadlock. The order of locks is told of where only an allocation is seen, short memory or not.
 */
export const keptUntilEnd = ({ nested, locksRmap, allocates }: Traits): readonly string[] => [
  ...(nested === true || locksRmap === true ? ['deadlock'] : []),
  ...(allocates === true ? ['lock-order'] : []),
];
