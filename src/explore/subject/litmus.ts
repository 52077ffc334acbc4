import type { Memory } from '../../memory/address.ts';
import { type Slab, slabAlloc, slabFree } from '../../memory/slab.ts';
import { deregisterMr } from '../../odp/memory-region.ts';
import { forEachUmem } from '../../odp/ucontext.ts';
import { UMEM } from '../../odp/umem.ts';
import { auditCounters } from '../../oracles/counter.ts';
import { auditPageLists } from '../../oracles/hw-sw-disagree.ts';
import { auditInactive } from '../../oracles/inactive-while-idle.ts';
import { auditLeaks } from '../../oracles/leak.ts';
import { drainViolations } from '../../oracles/report.ts';
import { auditMappings } from '../../oracles/stale-mapping.ts';
import type { ViolationRecord } from '../../results/types.ts';
import type { CellPlan } from '../../scenario/plan.ts';
import { setUpMemory } from '../../torture/areas.ts';
import { createVerbRunner, runVerb } from '../../torture/litmus.ts';
import { violationRecord } from '../../torture/record.ts';
import { loadStrategyOf } from '../../torture/strategy-file.ts';
import { attachThread, type ThreadCell } from '../../world/actor.ts';
import { attachWorld, initWorld, type World } from '../../world/world.ts';
import { addressNames } from './address-names.ts';
import { findingOf } from './litmus-finding.ts';
import { exploringPlan, litmusLayout } from './litmus-plan.ts';
import type { Finding, Subject } from './subject.ts';

/** Steps of one schedule at most; the longest of the shipped litmus tests has a few hundred. */
export const LITMUS_MAX_STEPS = 3000;

/** The same with the strategy that it needs, which may be a user's own. */
export async function openLitmusSubject(plan: CellPlan): Promise<Subject> {
  await loadStrategyOf(plan);
  return litmusSubject(plan);
}

/**
 * A litmus scenario under one design, as the driver sees it. One schedule is one iteration: the setup has run once, when the arena
 * was made; each program thread runs its verbs; then the driver, in the supervisor's place, audits.
 */
export function litmusSubject(given: CellPlan): Subject {
  const plan = exploringPlan(given);
  const programs = plan.litmus!.programs.length;
  const { words, resetWords } = litmusLayout(plan);
  const nameOf = addressNames(plan);
  let driver: ThreadCell | undefined;
  const driverOf = (mem: Memory): ThreadCell => {
    if (driver?.world.mem.buffer !== mem.buffer) driver = attachThread(attachWorld(plan, mem.buffer), programs, 0);
    return driver!;
  };
  // Of the last schedule.
  const orders = new Map<string, ViolationRecord>();
  const drain = (world: World): Finding[] =>
    drainViolations(world.oracles).map((raw) => {
      const finding = findingOf(world, raw);
      if (finding.oracle === 'lock-order') orders.set(finding.object, violationRecord(world, raw));
      return finding;
    });
  return {
    name: `${plan.scenario} ${plan.strategy}`,
    threads: programs,
    names: plan.threads.slice(0, programs).map((thread) => thread.name),
    words,
    resetWords,
    setup: (mem) => setUp(driverOf(mem)),
    check: (mem) => check(driverOf(mem), drain),
    observed: (mem) => drain(driverOf(mem).world),
    lockOrder: ({ oracle, object }) => (oracle === 'lock-order' ? (orders.get(object) ?? null) : null),
    nameOf: (addr) => nameOf(addr, driver?.world.mem),
  };
}

function setUp(cell: ThreadCell): void {
  const { world, actor } = cell;
  initWorld(world);
  setUpMemory(actor, world);
  const runner = createVerbRunner(cell);
  for (const verb of world.plan.litmus!.setup) runVerb(runner, verb);
  fillMagazines(world);
}

/**
 * Gives each thread a stock of every kind of object. Otherwise two threads would draw from the depot in the order of the schedule,
 * and the same steps would touch other frames, umems and addresses: steps that commute must not be told apart.
 */
function fillMagazines({ mem, mm, contexts, plan }: World): void {
  const slabs: readonly Slab[] = [mm.slabs.frame, mm.slabs.vma, contexts[0]!.slab];
  for (const slab of slabs)
    for (let tid = 0; tid < plan.litmus!.programs.length; tid++) {
      const index = slabAlloc(mem, slab, tid, mm.depotLock);
      if (index === 0) throw new RangeError(`'${slab.name}' is too small to give each thread a stock`);
      slabFree(mem, slab, tid, index, mm.depotLock);
    }
}

/** Takes what the oracles have found so far. */
type Drain = (world: World) => Finding[];

/**
 * The end of a schedule: what the threads' own oracles have found, then the audits of a world at rest. Only when these find nothing are
 * the regions taken away and leaks looked for: a design that is left in the middle of a section would wait for its end.
 */
function check({ world, actor }: ThreadCell, drain: Drain): readonly Finding[] {
  const findings = drain(world);
  auditMappings(actor, world.oracles);
  auditPageLists(actor, world.oracles);
  auditCounters(actor, world.oracles, new Set());
  auditInactive(actor, world.oracles, new Set());
  const audited = drain(world);
  findings.push(...audited);
  if (audited.length > 0 || !tearDown({ world, actor }, findings)) return findings;
  auditLeaks(actor, world.oracles);
  findings.push(...drain(world));
  return findings;
}

/** Deregisters every region; false when one is still in use, and to wait for its users would be to wait for ever. */
function tearDown({ world, actor }: Pick<ThreadCell, 'world' | 'actor'>, findings: Finding[]): boolean {
  const { mem } = world;
  for (const ctx of world.contexts) {
    const umems: number[] = [];
    forEachUmem(mem, ctx, (umem) => umems.push(umem));
    for (const umem of umems) {
      const users = mem[umem + UMEM.users]!;
      if (users !== 0) {
        const index = mem[umem + UMEM.index]!;
        findings.push({
          oracle: 'leak',
          object: `umem ${index}`,
          text: `at the end, umem ${index} has ${users} users`,
        });
        return false;
      }
      deregisterMr(actor, ctx, mem[umem + UMEM.key]!);
    }
  }
  return true;
}
