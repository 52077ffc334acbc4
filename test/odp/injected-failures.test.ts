import { describe, expect, it } from 'vitest';
import { litmusSubject } from '../../src/explore/subject/litmus.ts';
import { exploringPlan } from '../../src/explore/subject/litmus-plan.ts';
import { slabInUse } from '../../src/memory/slab.ts';
import { OUTCOME, outcomeName } from '../../src/mm/outcome.ts';
import { MM_TASK, mmTaskAddr, sectionDepth } from '../../src/mm/section.ts';
import { createObserver } from '../../src/oracles/observer.ts';
import { parseScenario } from '../../src/scenario/load.ts';
import { VERBS, type Verb } from '../../src/scenario/plan.ts';
import { resolveCells } from '../../src/scenario/resolve.ts';
import { STRATEGIES } from '../../src/strategies/index.ts';
import type { SyncHooks } from '../../src/sync/task.ts';
import { TASK } from '../../src/sync/task.ts';
import { createVerbRunner, runVerb } from '../../src/torture/litmus.ts';
import { MODE } from '../../src/trace/actor.ts';
import { CAP, CAPABILITIES, type Capability, createInject } from '../../src/trace/inject.ts';
import { attachThread } from '../../src/world/actor.ts';
import { attachWorld } from '../../src/world/world.ts';

/** What a verb works on, where that is not a region over the middle of anonymous memory, and one over a file. */
const TARGETS: Partial<Record<Verb, readonly string[]>> = {
  truncate: ['F 1'],
  extend: ['F 4'],
  'punch-hole': ['F 1 2'],
  mprotect: ['A ro', 'C ro'],
  mremap: ['A M', 'C M'],
  fork: ['A K', 'C K'],
  // Pages of which some were touched and some were not.
  register: ['D', 'E'],
};
const RANGES = ['A', 'C'];
/** What has to be so that the verb has something to do. */
const BEFORE: Partial<Record<Verb, (target: string) => string>> = {
  mmap: (target) => `munmap ${target}`,
  extend: () => 'truncate F 1',
};
const cases = VERBS.flatMap((verb) => (TARGETS[verb] ?? RANGES).map((target) => [verb, target] as const));

const scenario = (verb: Verb, target: string): string => `kind: litmus
description: one verb
memory:
  pages: 24
  mms: 2
  areas:
    - { kind: anon, at: 0, pages: 8 }
    - { kind: file, at: 8, pages: 8, file: F }
files:
  F: { pages: 8 }
hca: { mrs: 6, mrPages: 8, faultTimeoutMs: 1 }
ranges:
  A: { at: 2, pages: 3 }
  B: { at: 3, pages: 3 }
  C: { at: 9, pages: 3 }
  D: { at: 5, pages: 3 }
  E: { at: 10, pages: 3 }
  M: { at: 18, pages: 3 }
  K: { at: 0, pages: 1, mm: 1 }
setup: [${['write B, register B, fault B, register A, register C, fault C', BEFORE[verb]?.(target)].filter(Boolean).join(', ')}]
threads:
  T1: [${verb} ${target}]
`;

/** On one thread nobody could ever release a lock that somebody holds. */
const NEVER_BLOCK: SyncHooks = {
  contended(task, lock) {
    throw new Error(`thread ${task.tid} would block on the lock at ${lock}`);
  },
  acquired() {},
};

/** More calls of one capability than any verb makes. */
const CALLS_MAX = 100;

interface Case {
  readonly run: (capability: Capability, nth: number) => { readonly fired: boolean; readonly outcome: number };
  readonly findings: () => string[];
}

/** One verb under one design, from the same start each time. */
function prepare(verb: Verb, target: string, strategy: string): Case {
  const loaded = parseScenario(scenario(verb, target), 'verb.yaml');
  const given = resolveCells(loaded, { strategies: [strategy] })[0]!;
  const plan = exploringPlan(given);
  const subject = litmusSubject(given);
  const mem = new Int32Array(new SharedArrayBuffer(subject.words * 4));
  subject.setup(mem);
  const start = mem.slice();
  const world = attachWorld(plan, mem.buffer);
  const observer = createObserver(world.oracles);
  const cell = attachThread(world, 0, 0, { observer });
  let outcome = -1;
  const labels = {
    label(_point: number, _verb: number, b: number) {
      outcome = b;
    },
  };
  return {
    run(capability, nth) {
      mem.set(start);
      observer.reset();
      const attr = { probability: 0, interval: 1, times: -1, space: 0, failNth: nth, taskFilter: [] };
      const inject = createInject({ [capability]: attr }, 1, 0, [], world.inject)!;
      const actor = { ...cell.actor, hooks: NEVER_BLOCK, mode: MODE.label, labels, inject };
      // The last point of a verb is its end.
      runVerb(createVerbRunner({ ...cell, actor }), plan.litmus!.programs[0]![0]!);
      observer.finished(actor);
      return { fired: inject.calls[CAP[capability]]! >= nth, outcome };
    },
    findings() {
      const held = mem[cell.actor.addr + TASK.heldCount]!;
      const depth = sectionDepth(mem[mmTaskAddr(world.mm, 0) + MM_TASK.stack]!);
      const vmas = slabInUse(mem, world.mm.slabs.vma);
      const linked = new Set(
        world.mm.mms.flatMap(({ vmaOf, pages }) => [...mem.subarray(vmaOf, vmaOf + pages)].filter((vma) => vma !== 0)),
      ).size;
      return [
        ...(held === 0 ? [] : [`${held} locks are held`]),
        ...(depth === 0 ? [] : [`${depth} sections are open`]),
        ...(vmas === linked ? [] : [`${vmas} VMAs are allocated, ${linked} are in an address space`]),
        ...subject.check(mem, undefined as never).map(({ oracle, text }) => `${oracle}: ${text}`),
      ];
    },
  };
}

/** By capability: verbs that must have met it, with what they then end with; under every design that does not pin. */
const MET: Partial<Record<Capability, readonly string[]>> = {
  failslab: ['mmap ENOMEM', 'munmap ENOMEM', 'register ENOMEM', 'mprotect ENOMEM', 'mremap ENOMEM', 'fork ENOMEM'],
  fail_trylock: ['oom-reap EAGAIN', 'migrate ok', 'reclaim ok'],
  fail_nonblock: ['oom-reap EAGAIN'],
  fail_page_alloc: ['fault ENOMEM', 'prefetch ENOMEM', 'read ENOMEM', 'write ENOMEM', 'migrate ok', 'collapse ok'],
  fail_command: ['madvise ok', 'munmap ok', 'truncate ok', 'deregister ok', 'fault ok', 'prefetch ok'],
};

/** Allocates in a section, under a design that keeps something until its end: lock-dep tells of that, whatever fails. */
const isTold = (strategy: string, verb: Verb): boolean =>
  ['range-pool', 'held-rwsem'].includes(strategy) && ['mremap', 'fork'].includes(verb);

describe('each verb, with its n-th call of each capability made to fail', () => {
  it.each(STRATEGIES)('$name: ends as it says, leaks nothing, alarms nobody', ({ name: strategy, pins }) => {
    const seen = new Map<Capability, Set<string>>(CAPABILITIES.map((name) => [name, new Set()]));
    for (const [verb, target] of cases) {
      const one = prepare(verb, target, strategy);
      for (const capability of CAPABILITIES)
        for (let nth = 1; nth <= CALLS_MAX; nth++) {
          const { fired, outcome } = one.run(capability, nth);
          const what = `${strategy}: ${verb} ${target}, call ${nth} of ${capability}: ${outcomeName(outcome)}`;
          expect(Object.values(OUTCOME), what).toContain(outcome);
          const alarms = one.findings().filter((text) => !(isTold(strategy, verb) && text.startsWith('lock-order')));
          expect(alarms, what).toEqual([]);
          if (!fired) break;
          seen.get(capability)!.add(`${verb} ${outcomeName(outcome)}`);
          expect(nth, what).toBeLessThan(CALLS_MAX);
        }
    }
    for (const [capability, met] of Object.entries(MET))
      expect([...seen.get(capability as Capability)!], capability).toEqual(
        expect.arrayContaining(pins ? [] : [...met]),
      );
    if (pins) expect([...seen.get('fail_page_alloc')!]).toContain('register ENOMEM');
    expect(seen.get('fail_pool')!.size > 0).toBe(['range-pool', 'pool-overflow'].includes(strategy));
    expect(seen.get('failslab')!.has('madvise ok')).toBe(strategy === 'range-alloc');
  });
});
