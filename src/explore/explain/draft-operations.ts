import type { ViolationRecord, WindowRecord } from '../../results/types.ts';
import type { CellPlan, Role, Verb } from '../../scenario/plan.ts';
import type { LitmusStep } from './litmus-text.ts';
import type { Pages } from './pages.ts';

/** What of a cell's plan a draft needs; as run.json has it. */
export type DraftPlan = Pick<CellPlan, 'scenario' | 'kind' | 'memory' | 'threads' | 'strategy' | 'litmus'>;

/** An operation that a window shows, as the verb of a litmus program. Of a truncate, `pages` are those of its section. */
export interface Operation extends LitmusStep {
  readonly tid: number;
  readonly op: number;
  readonly firstMs: number;
  readonly lastMs: number;
}

/** Groups the window's points by operation. What began before the window is known from its sections, and from its thread's role. */
export function operationsOf(record: ViolationRecord, plan: DraftPlan): Operation[] {
  const groups = new Map<string, WindowRecord[]>();
  for (const point of record.window) {
    const key = `${point.tid} ${point.op}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [point]);
    else group.push(point);
  }
  const umems = new Map<number, Pages>();
  for (const { point, args } of record.window)
    if (point === 'umem.inserted' || point === 'umem.deferred') umems.set(args[0], { start: args[1], last: args[2] });
  const list: Operation[] = [];
  for (const points of groups.values()) {
    const first = points[0]!;
    const role = plan.threads[first.tid]?.role;
    for (const what of parts(points, role, umems))
      list.push({ ...what, tid: first.tid, op: first.op, firstMs: first.timeMs, lastMs: points.at(-1)!.timeMs });
  }
  return list.sort((a, b) => a.firstMs - b.firstMs);
}

type What = LitmusStep;

/** One operation of a thread that registers may prefetch its new region: to a litmus these are two. */
function parts(points: readonly WindowRecord[], role: Role | undefined, umems: Map<number, Pages>): What[] {
  const what = operationOf(points, role, umems);
  if (what === null) return [];
  const faults = points.some(({ point }) => point.startsWith('fault.'));
  return what.verb === 'register' && faults ? [what, { ...what, verb: 'prefetch' }] : [what];
}

function operationOf(points: readonly WindowRecord[], role: Role | undefined, umems: Map<number, Pages>): What | null {
  const find = (...names: string[]): WindowRecord | undefined => points.find(({ point }) => names.includes(point));
  const range = (r: WindowRecord, at = 0): Pages => ({ start: r.args[at]!, last: r.args[at + 1]! });
  const plain = (verb: Verb, pages: Pages): What => ({ verb, pages, file: -1, size: 0 });
  const enter = find('madvise.enter', 'munmap.enter', 'register.enter');
  if (enter !== undefined) return plain(enter.point.split('.')[0] as Verb, range(enter));
  const truncate = find('truncate.enter', 'truncate.sized', 'truncate.pass1', 'truncate.pass2');
  const section = find('section.starting', 'section.started', 'section.cleared', 'section.ending', 'section.ended');
  if (truncate !== undefined || (role === 'truncate' && section !== undefined)) {
    const pages = section === undefined ? { start: -1, last: -1 } : range(section);
    return { verb: 'truncate', pages, file: truncate?.args[0] ?? 0, size: truncate?.args[1] ?? 0 };
  }
  if (section !== undefined) return plain(role === 'munmap' ? 'munmap' : 'madvise', range(section));
  const inserted = find('umem.inserted', 'umem.deferred');
  if (inserted !== undefined) return plain('register', range(inserted, 1));
  const removed = find('umem.removed');
  if (removed !== undefined) return plain('deregister', range(removed, 1));
  const fault = find('fault.sampled', 'fault.checked', 'fault.committed', 'fault.retried');
  if (fault !== undefined)
    return plain('fault', umems.get(fault.args[0]) ?? { start: fault.args[1], last: fault.args[1] });
  const got = find('fault.gotPages');
  if (got !== undefined) return plain('fault', { start: got.args[0], last: got.args[0] });
  const access = find('dma.translated');
  if (access !== undefined) return plain('dma-read', { start: access.args[1], last: access.args[1] });
  return null;
}
