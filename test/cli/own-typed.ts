import {
  defineStruct,
  insertUnderRwsem,
  load,
  OUTCOME,
  removeUnderRwsem,
  type UserStrategy,
  umemExt,
} from '../../src/odp/public.ts';

const OWN = defineStruct('own', { seen: 1 });

/** What an author in TypeScript writes: the compiler checks it, and it states no more than it must. It is no correct design. */
export const strategy = {
  name: 'typed',
  params: { extra: { default: 1, min: 0, max: 2, description: 'nothing' } },
  words: { umem: OWN.$words },
  fields: { umem: OWN },
  registerLocks: () => 'read',
  insert: insertUnderRwsem,
  remove: removeUnderRwsem,
  rangeStart: (_actor, _ctx, _section, _start, _last, blockable) => (blockable ? OUTCOME.ok : OUTCOME.eagain),
  rangeEnd() {},
  faultBegin: (actor, _ctx, umem) => load(actor, umemExt(umem)),
  faultCheck: (actor, _ctx, umem, sample) => load(actor, umemExt(umem)) === sample,
  faultWait: () => true,
  faultWake() {},
  audit() {},
} satisfies UserStrategy;
