import { MKEY, mkeyAddr } from '../hca/device.ts';
import { POISON } from '../mm/frame.ts';
import { CORRUPTION } from '../oracles/data-corruption.ts';
import { LEAK } from '../oracles/leak.ts';
import { ORACLE_NAMES } from '../oracles/names.ts';
import type { RawViolation } from '../oracles/report.ts';
import { STARVING } from '../oracles/starvation.ts';
import { UNPAIRED } from '../oracles/unpaired-section.ts';
import type { ViolationRecord } from '../results/types.ts';
import { lockClassName } from '../sync/lock-class.ts';
import { WAIT } from '../sync/task.ts';
import { pointName } from '../trace/points.ts';
import type { World } from '../world/world.ts';
import { lifetimeDetail } from './record-lifetimes.ts';
import { lockOrderDetail, lockOrderOf, notOwnerDetail } from './record-locks.ts';

/** Turns what an oracle left in the arena into the record that people and the race log get. Main thread. */
export function violationRecord(world: World, raw: RawViolation): ViolationRecord {
  const { plan } = world;
  const f = raw.fields;
  const oracle = ORACLE_NAMES[f.oracle]!;
  const thread = plan.threads[f.tid]!;
  return {
    oracle,
    // One name for all threads of a role, so that the records of one fault fall together.
    signature: `${oracle}/${plan.strategy}/${thread.role}`,
    nth: f.nth,
    scenario: plan.scenario,
    strategy: plan.strategy,
    seed: plan.seed,
    atMs: raw.timeMs,
    thread: { tid: f.tid, name: thread.name },
    ...(f.point > 0 ? { point: pointName(f.point) } : {}),
    ...(f.umem >= 0 ? { umem: f.umem } : {}),
    ...(f.key >= 0 ? { key: f.key } : {}),
    ...rangeOf(world, f),
    ...(f.page >= 0 ? { page: f.page } : {}),
    ...(f.frame >= 0 ? { frame: f.frame } : {}),
    ...(f.entryGeneration >= 0 ? { generation: { entry: f.entryGeneration, frame: f.frameGeneration } } : {}),
    ...(f.foundIdentity !== -1 || f.expectedIdentity !== -1
      ? { identity: { expected: f.expectedIdentity, found: f.foundIdentity } }
      : {}),
    ...(oracle === 'counter-underflow' || oracle === 'counter-leak'
      ? { counter: { value: f.value, expected: f.expectedValue, seq: f.seq } }
      : {}),
    ...lockOrderOf(world, raw),
    detail: detail(world, raw),
    names: plan.threads.map((t) => t.name),
    window: raw.window.map((r) => ({
      tid: r.tid,
      timeMs: r.timeMs,
      point: pointName(r.point),
      args: [r.a, r.b, r.c],
      op: r.op,
    })),
  };
}

type Fields = RawViolation['fields'];

/** The range that the oracle gave, or else the region's own. */
function rangeOf(world: World, f: Fields): { range?: { start: number; last: number } } {
  if (f.start >= 0) return { range: { start: f.start, last: f.last } };
  if (f.umem <= 0) return {};
  const mkey = mkeyAddr(world.hca, f.umem);
  const start = world.mem[mkey + MKEY.start]!;
  return { range: { start, last: start + world.mem[mkey + MKEY.pages]! - 1 } };
}

/** What a stamp in a frame's payload stands for. */
export function identityName(identity: number): string {
  if (identity === POISON) return 'poison';
  if (identity >= 0x40000000) return `file ${(identity >>> 20) & 0x3f} page ${identity & 0xfffff}`;
  return `anonymous page #${identity}`;
}

/** One sentence on what happened. */
function detail(world: World, raw: RawViolation): string {
  const f = raw.fields;
  switch (ORACLE_NAMES[f.oracle]) {
    case 'stale-dma':
      return `the device ${f.reason === 1 ? 'wrote to' : 'read'} page ${f.page} through an entry of umem ${f.umem} that was made for generation ${f.entryGeneration} of frame ${f.frame}; the frame has been freed since and is at generation ${f.frameGeneration}`;
    case 'entry-in-section':
      return `section [${f.start}..${f.last}] is about to end, and an entry of umem ${f.umem} still lets the device reach page ${f.page} (frame ${f.frame})`;
    case 'stale-mapping':
      return f.value > 0
        ? `at rest, umem ${f.umem} maps page ${f.page} to frame ${f.frame}, the CPU to frame ${f.value}`
        : `at rest, umem ${f.umem} maps page ${f.page} to frame ${f.frame}, and the CPU maps nothing there`;
    case 'data-corruption':
      return corruption(f);
    case 'counter-underflow':
      return `the running count of ${f.umem >= 0 ? `umem ${f.umem}` : 'the process'} went to ${f.value}`;
    case 'counter-leak':
      return `at rest, a count of ${f.umem >= 0 ? `umem ${f.umem}` : 'the process'} is ${f.value}; the design says ${f.expectedValue}`;
    case 'inactive-while-idle':
      return `at rest, umem ${f.umem} takes no fault, and nothing is under way that would change that`;
    case 'unpaired-section':
      return f.reason === UNPAIRED.endWithoutStart
        ? `section ${f.value}: a subscription was told the end without the start`
        : `section ${f.value}: a subscription was told the start and never the end`;
    case 'starvation':
      return starvation(world, f);
    case 'leak':
      return leak(f);
    case 'use-after-free':
    case 'double-free':
    case 'hw-sw-disagree':
    case 'dead-key-command':
    case 'sleep-in-nonblockable':
      return lifetimeDetail(world, ORACLE_NAMES[f.oracle]!, f);
    case 'lock-order':
      return lockOrderDetail(world, raw);
    case 'unlock-not-owner':
      return notOwnerDetail(world, raw);
    case 'lost-wakeup':
      return lostWakeup(world, raw);
    case 'torn-read':
      return `the device took the entry of page ${f.page} of umem ${f.umem} (frame ${f.frame}) and an identity that was stored for another entry: ${identityName(f.expectedIdentity)}`;
    default:
      return deadlock(world, raw);
  }
}

function corruption(f: Fields): string {
  if (f.reason === CORRUPTION.poison) return `the poison of free frame ${f.frame} was overwritten`;
  const who = f.reason === CORRUPTION.cpu ? 'the CPU' : 'the device';
  return `${who} reached page ${f.page} in frame ${f.frame} and found ${identityName(f.foundIdentity)} where ${identityName(f.expectedIdentity)} should be`;
}

function starvation(world: World, f: Fields): string {
  if (f.reason === STARVING.fault)
    return `a fault on page ${f.page} of umem ${f.umem} was refused ${f.value} times, ${f.expectedValue} of them while no section overlapped it`;
  const what = f.reason === STARVING.register ? 'registration' : 'deregistration';
  return `${world.plan.threads[f.value]?.name}: the ${what} of [${f.start}..${f.last}] does not come to an end, although sections leave it gaps`;
}

function leak(f: Fields): string {
  if (f.reason === LEAK.frame)
    return `at the end, frame ${f.frame} has ${f.value} references; page tables and page cache account for ${f.expectedValue}`;
  return f.reason === LEAK.umem
    ? `at the end, umem ${f.umem} is still allocated`
    : `at the end, the device still has a valid entry of umem ${f.umem}`;
}

const WAIT_NAMES = Object.fromEntries(Object.entries(WAIT).map(([name, kind]) => [kind, name]));

function lostWakeup(world: World, { chain: [sleep] }: RawViolation): string {
  if (sleep === undefined) return 'a sleeper was not woken; its record was lost';
  const name = world.plan.threads[sleep.tid]?.name ?? `thread ${sleep.tid}`;
  return `${name} sleeps in ${WAIT_NAMES[sleep.kind]} ${lockClassName(world.mem, sleep.addr)}@${sleep.addr} although what it waits for is there, and nobody is about to wake it`;
}

function deadlock(world: World, raw: RawViolation): string {
  const nameOf = (tid: number): string => world.plan.threads[tid]?.name ?? `thread ${tid}`;
  const steps = raw.chain.map(({ tid, kind, addr, on }) => {
    const lock = kind === WAIT.drain || kind === WAIT.gate ? '' : ` ${lockClassName(world.mem, addr)}@${addr}`;
    const slots = kind === WAIT.slot ? `, ${slotHolders(raw, addr, nameOf)}` : '';
    return `${nameOf(tid)} waits for ${WAIT_NAMES[kind]}${lock}${slots}, which depends on ${nameOf(on)}`;
  });
  return `wait-for cycle: ${steps.join('; ')}`;
}

/** `all 3 slots held by fork-0 (2), mremap-0`. */
function slotHolders(raw: RawViolation, pool: number, nameOf: (tid: number) => string): string {
  const tids = raw.held.flatMap(({ word, key }) => (key === pool ? [word] : []));
  const by = [...new Set(tids)].map((tid) => {
    const n = tids.filter((t) => t === tid).length;
    return n === 1 ? nameOf(tid) : `${nameOf(tid)} (${n})`;
  });
  return tids.length === 1
    ? `whose only slot is held by ${by[0]}`
    : `all ${tids.length} slots held by ${by.join(', ')}`;
}
