import type { Addr, Vpn } from '../memory/address.ts';
import { sectionsOverlapping } from '../mm/section.ts';
import { UMEM } from '../odp/umem.ts';
import type { Actor } from '../trace/actor.ts';
import { PARK_TASK, WAITING_OP } from '../trace/park.ts';
import { stallsSeen } from '../trace/stall.ts';
import { ORACLE } from './names.ts';
import { submit, violate } from './report.ts';
import { type OracleView, VIOLATION } from './view.ts';

/** Which operation starves; in the record's `reason`. */
export const STARVING = { fault: 0, register: WAITING_OP.register, deregister: WAITING_OP.deregister } as const;

/** Whether the fault that this thread handles has been reported already. */
export interface FaultMeter {
  fired: boolean;
}

/**
 * A fault was refused more often than its bound, and at least some of those attempts could have been let through: while they ran no
 * section overlapped the umem. Attempts alone prove nothing (sections without a gap refuse rightly); opportunities make it sound. Time plays no
 * part: a thread that does not run makes no attempts.
 */
export function checkFaultStarvation(
  actor: Actor,
  view: OracleView,
  meter: FaultMeter,
  umem: Addr,
  vpn: Vpn,
  attempt: number,
  opportunities: number,
): void {
  if (attempt === 1) meter.fired = false;
  const { starvationAttempts, starvationOpportunities } = view.bounds;
  if (meter.fired || attempt < starvationAttempts || opportunities < starvationOpportunities) return;
  meter.fired = true;
  const slot = violate(actor, view, ORACLE.starvation);
  if (slot === 0) return;
  const { mem } = view;
  mem[slot + VIOLATION.umem] = mem[umem + UMEM.index];
  mem[slot + VIOLATION.key] = mem[umem + UMEM.key];
  mem[slot + VIOLATION.mm] = mem[umem + UMEM.mm];
  mem[slot + VIOLATION.page] = vpn;
  mem[slot + VIOLATION.value] = attempt;
  mem[slot + VIOLATION.expectedValue] = opportunities;
  mem[slot + VIOLATION.reason] = STARVING.fault;
  submit(view, slot);
}

/** Far below any bound: this operation has been reported. */
const NEVER_AGAIN = -0x40000000;

/** What the supervisor knows of each thread's registration or removal under way. */
export interface WaitMeters {
  readonly serial: Int32Array;
  readonly ticks: Int32Array;
  readonly opportunities: Int32Array;
}
export const createWaitMeters = (threads: number): WaitMeters => ({
  serial: new Int32Array(threads),
  ticks: new Int32Array(threads),
  opportunities: new Int32Array(threads),
});

/**
 * Called by the supervisor at each of its ticks: a registration or removal that is under way for longer than its bound of ticks, and
 * at enough of them found no section over its range. Ticks count looks of the supervisor, not time: a machine that stands still
 * makes none. A tick at which the scenario keeps a thread at a point counts for nobody: that one may hold what the others wait for.
 */
export function checkWaitStarvation(actor: Actor, view: OracleView, meters: WaitMeters): void {
  const { mem } = view;
  if (stallsSeen(mem, view.control) < 0) return;
  for (let tid = 0; tid < view.threads; tid++) {
    const p = view.parkWords[tid]!;
    const kind = mem[p + PARK_TASK.kind];
    const serial = mem[p + PARK_TASK.serial];
    if (kind === WAITING_OP.none || serial !== meters.serial[tid]) {
      meters.serial[tid] = serial;
      meters.ticks[tid] = 0;
      meters.opportunities[tid] = 0;
      continue;
    }
    const start = mem[p + PARK_TASK.start] as Vpn;
    const last = mem[p + PARK_TASK.last] as Vpn;
    const mm = view.mm.mms[mem[p + PARK_TASK.mm]]!;
    meters.ticks[tid]++;
    if (sectionsOverlapping(actor, mm, start, last) === 0) meters.opportunities[tid]++;
    const { starvationTicks, starvationOpportunities } = view.bounds;
    // Exactly once: at the tick at which both bounds are first passed.
    if (meters.ticks[tid] < starvationTicks || meters.opportunities[tid] < starvationOpportunities) continue;
    meters.opportunities[tid] = NEVER_AGAIN;
    const slot = violate(actor, view, ORACLE.starvation);
    if (slot === 0) continue;
    mem[slot + VIOLATION.mm] = mm.id;
    mem[slot + VIOLATION.start] = start;
    mem[slot + VIOLATION.last] = last;
    mem[slot + VIOLATION.value] = tid;
    mem[slot + VIOLATION.reason] = kind;
    submit(view, slot);
  }
}
