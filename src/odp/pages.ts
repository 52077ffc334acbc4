import * as commandModule from '../hca/command.ts';
import * as devicePageTableModule from '../hca/device-page-table.ts';
import type { Addr } from '../memory/address.ts';
import * as mutexModule from '../sync/mutex.ts';
import type { Actor } from '../trace/actor.ts';
import * as pointModule from '../trace/point.ts';
import * as pointsModule from '../trace/points.ts';
import type { OdpSteps } from './steps.ts';
import type { Ucontext } from './ucontext.ts';
import * as ucontextModule from './ucontext.ts';
import * as umemModule from './umem.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { postCommand } = commandModule;
const { deviceMap, deviceZap } = devicePageTableModule;
const { mutexLock, mutexUnlock } = mutexModule;
const { point } = pointModule;
const { POINT } = pointsModule;
const { PENDING, PENDING_CAPACITY } = ucontextModule;
const { UMEM, umemMutex } = umemModule;

/**
 * The driver's own list of what is mapped (ib_umem_odp's pfn_list and dma_list): a word for each page of a umem, 0 or the entry that
 * was programmed. Everything here needs the umem mutex. The driver believes its list, not the device: what it says is mapped is not
 * programmed again, and of what it says is not mapped no zap is sent. That the two agree when nothing is under way is for the oracle
 * hw-sw-disagree to say.
 */
export const pageWord = (ctx: Ucontext, index: number, page: number): Addr =>
  (ctx.pages + index * ctx.hca.mttPages + page) as Addr;

/** Maps one page: in the list, and in the device. */
export function mapPage(
  actor: Actor,
  ctx: Ucontext,
  index: number,
  page: number,
  entry: number,
  identity: number,
): void {
  actor.mem[pageWord(ctx, index, page)] = entry;
  postCommand(actor);
  deviceMap(actor, ctx.hca, index, page, entry, identity);
}

/** Takes pages `first` .. `last` off the list; returns how many were on it. */
export function forgetPages(actor: Actor, ctx: Ucontext, index: number, first: number, last: number): number {
  const { mem } = actor;
  const end = pageWord(ctx, index, last);
  let mapped = 0;
  for (let word = pageWord(ctx, index, first); word <= end; word++) {
    if (mem[word] === 0) continue;
    mem[word] = 0;
    mapped++;
  }
  return mapped;
}

/** ib_umem_odp_unmap_dma_pages with the UMR before it: off the list, out of the device. Returns how many pages were mapped. */
export function unmapPages(
  actor: Actor,
  ctx: Ucontext,
  index: number,
  first: number,
  last: number,
  pinned: boolean,
): number {
  const mapped = forgetPages(actor, ctx, index, first, last);
  if (mapped === 0) return 0;
  postCommand(actor);
  deviceZap(actor, ctx.hca, index, first, last, pinned);
  return mapped;
}

/** As `unmapPages`, for a callback of the notifier, whose steps a variant may change. */
export function zapPages(actor: Actor, ctx: Ucontext, umem: Addr, first: number, last: number): number {
  const index = actor.mem[umem + UMEM.index];
  if (ctx.faulty === null) return unmapPages(actor, ctx, index, first, last, false);
  return zapOtherwise(actor, ctx, ctx.faulty, umem, index, first, last);
}

function zapOtherwise(
  actor: Actor,
  ctx: Ucontext,
  steps: OdpSteps,
  umem: Addr,
  index: number,
  first: number,
  last: number,
): number {
  const mapped = forgetPages(actor, ctx, index, first, last);
  if (mapped === 0 && steps.zapOnlyMapped) return 0;
  if (steps.zapCommand === 'after-end' && queueZap(actor, ctx, index, first, last)) return mapped;
  if (steps.zapCommand === 'unlocked') {
    mutexUnlock(actor, umemMutex(umem));
    point(actor, POINT['zap.posting'], index, first, last);
  }
  deviceZap(actor, ctx.hca, index, first, last, false);
  if (steps.zapCommand === 'unlocked') mutexLock(actor, umemMutex(umem));
  return mapped;
}

const pendingOf = (actor: Actor, ctx: Ucontext): Addr => (ctx.pending + actor.tid * ctx.pendingStride) as Addr;

/** queue_work; false when there is no room. */
function queueZap(actor: Actor, ctx: Ucontext, index: number, first: number, last: number): boolean {
  const { mem } = actor;
  const p = pendingOf(actor, ctx);
  const n = mem[p + PENDING.count];
  if (n >= PENDING_CAPACITY) return false;
  const z = p + PENDING.zaps + n * 3;
  mem[z] = index;
  mem[z + 1] = first;
  mem[z + 2] = last;
  mem[p + PENDING.count] = n + 1;
  return true;
}

/** The work item: posts what this thread's sections have queued. Holds nothing. */
export function postQueuedZaps(actor: Actor, ctx: Ucontext): void {
  const { mem } = actor;
  const p = pendingOf(actor, ctx);
  const n = mem[p + PENDING.count];
  for (let i = 0; i < n; i++) {
    const z = p + PENDING.zaps + i * 3;
    point(actor, POINT['zap.posting'], mem[z], mem[z + 1], mem[z + 2]);
    deviceZap(actor, ctx.hca, mem[z], mem[z + 1], mem[z + 2], false);
  }
  mem[p + PENDING.count] = 0;
}
