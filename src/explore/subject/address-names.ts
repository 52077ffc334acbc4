import { ACCESS, MKEY, QP, REQUEST, REQUEST_QUEUE } from '../../hca/device.ts';
import type { Memory } from '../../memory/address.ts';
import type { Region } from '../../memory/arena.ts';
import type { AnyStruct } from '../../memory/struct.ts';
import { FILE } from '../../mm/file.ts';
import { FRAME } from '../../mm/frame.ts';
import { MM, MM_TASK } from '../../mm/mm.ts';
import { SECTION } from '../../mm/section.ts';
import { VMA } from '../../mm/vma.ts';
import type { Strategy } from '../../odp/strategy.ts';
import { UCONTEXT } from '../../odp/ucontext.ts';
import { UMEM } from '../../odp/umem.ts';
import type { CellPlan, VerbPlan } from '../../scenario/plan.ts';
import { SRCU } from '../../sync/srcu.ts';
import { TASK } from '../../sync/task.ts';
import { rangeNumbers } from '../../torture/litmus.ts';
import { CONTROL, PARK_TASK } from '../../trace/park.ts';
import { strategyOf } from '../../world/strategy-of.ts';
import { layoutWorld } from '../../world/world.ts';

/** Says what lies at a word of its region: object `i`, word `offset` of it. */
type Describe = (i: number, offset: number, mem: Memory | undefined) => string;

const snake = (name: string): string => name.replace(/[A-Z]/g, (c) => `_${c.toLowerCase()}`);

/** The field of a struct that holds word `offset`, in the kernel's spelling; words inside it by number. */
function field(struct: AnyStruct, offset: number): string {
  let best = '';
  let at = -1;
  for (const [name, value] of Object.entries(struct))
    if (!name.startsWith('$') && typeof value === 'number' && value <= offset && value > at) {
      best = name;
      at = value;
    }
  return `${snake(best)}${offset > at ? `+${offset - at}` : ''}`;
}

/** The locks' own words after the first are of interest with `--granularity atomic` only. */
const rest = (offset: number): string => (offset === 0 ? '' : `+${offset}`);

/**
 * Names the words of a cell's arena as timelines and findings call them. `mem` tells which range a key of a litmus was registered for.
 * `strategy` stands in for the one that the plan names.
 */
export function addressNames(
  plan: CellPlan,
  strategy: Strategy | undefined = strategyOf(plan),
): (addr: number, mem?: Memory) => string {
  const { regions } = layoutWorld(plan, strategy);
  const sorted: Region[] = Object.values<Region>(regions).sort((a, b) => a.base - b.base);
  const describe = describers(plan, regions as Readonly<Record<string, Region>>, strategy?.fields);
  return (addr, mem) => {
    const region = sorted.findLast(({ base }) => base <= addr);
    if (region === undefined) return `word ${addr}`;
    const i = Math.floor((addr - region.base) / region.stride);
    if (i >= region.count) return `word ${addr}`;
    const offset = addr - region.base - i * region.stride;
    return describe[region.name]?.(i, offset, mem) ?? `${region.name} ${i}${rest(offset)}`;
  };
}

/** Steps of a litmus' threads; a load has none. */
const verbsOf = ({ litmus }: CellPlan): readonly VerbPlan[] =>
  litmus === null ? [] : [...litmus.setup, ...litmus.programs.flat()];

function describers(
  plan: CellPlan,
  regions: Readonly<Record<string, Region>>,
  fields: Strategy['fields'],
): Readonly<Record<string, Describe>> {
  const thread = (tid: number): string => plan.threads[tid]?.name ?? `thread ${tid}`;
  return {
    ...memoryDescribers(plan, regions, thread),
    ...adapterDescribers(plan, regions, thread),
    ...driverDescribers(plan, fields),
    control: (_i, offset) => `control ${field(CONTROL, offset)}`,
    park: (i, offset) => `${thread(i)} park_task ${field(PARK_TASK, offset)}`,
    task: (i, offset) => `${thread(i)} task ${field(TASK, offset)}`,
    'litmus.keys': (i) => {
      const names = plan.litmus === null ? [] : [...rangeNumbers(plan.litmus)];
      const name = names.find(([, number]) => number === i)?.[0];
      return `key of ${name ?? i}`;
    },
  };
}

function memoryDescribers(
  plan: CellPlan,
  regions: Readonly<Record<string, Region>>,
  thread: (tid: number) => string,
): Readonly<Record<string, Describe>> {
  const { mms, files } = plan.memory;
  const ofMm = (mm: number): string => (mms === 1 ? '' : ` of mm ${mm}`);
  const tables = regions['mm.ptl']!.count / mms;
  const verbs = verbsOf(plan);
  const file = (i: number): string => verbs.find((verb) => verb.file === i)?.target ?? `file ${i}`;
  const sections = MM_TASK.$words;
  const sectionStride = (regions['mm.task']!.stride - sections) / 4;
  return {
    'mm.mm': (i, offset) => {
      if (offset >= MM.subscribed) return `subscription ${offset - MM.subscribed}${ofMm(i)}`;
      return `${field(MM, offset)}${ofMm(i)}`;
    },
    'mm.pte': (i, page) => `pte ${page}${ofMm(i)}`,
    'mm.identityOf': (i, page) => `identity of page ${page}${ofMm(i)}`,
    'mm.vmaOf': (i, page) => `vma of page ${page}${ofMm(i)}`,
    'mm.ptl': (i, offset) => `ptl ${i % tables}${rest(offset)}${ofMm(Math.floor(i / tables))}`,
    'mm.srcu': (i, offset) =>
      offset < SRCU.$words
        ? `srcu ${field(SRCU, offset)}${ofMm(i)}`
        : `srcu readers of ${thread((offset - SRCU.$words) >>> 4)}${ofMm(i)}`,
    'mm.sectionsOf': (i, tid) => `sections of ${thread(tid)}${ofMm(i)}`,
    'mm.task': (i, offset) => {
      if (offset < sections) return `${thread(i)} mm_task ${field(MM_TASK, offset)}`;
      const n = Math.floor((offset - sections) / sectionStride);
      return `${thread(i)} section ${n} ${field(SECTION, offset - sections - n * sectionStride)}`;
    },
    'mm.file': (i, offset) => `${field(FILE, offset).replace(/^size$/, 'i_size')} ${file(i)}`,
    'mm.pageCache': (_i, offset) => {
      let first = 0;
      for (let f = 0; f < files.length; f++) {
        const words = Math.ceil(files[f]!.pages / 16) * 16;
        if (offset < first + words) return `page cache ${file(f)}+${offset - first}`;
        first += words;
      }
      return `page cache ${offset}`;
    },
    'mm.vma': (i, offset) => `vma ${i} ${field(VMA, offset)}`,
    'mm.frame': (i, offset) => `frame ${i} ${field(FRAME, offset)}`,
  };
}

function adapterDescribers(
  plan: CellPlan,
  regions: Readonly<Record<string, Region>>,
  thread: (tid: number) => string,
): Readonly<Record<string, Describe>> {
  const mkeys = regions['hca.mkey']!;
  const registered = verbsOf(plan).filter(({ verb }) => verb === 'register');
  /** The range that key `index` was registered for, as the scenario calls it. */
  const range = (index: number, mem: Memory | undefined): string => {
    if (mem === undefined) return `${index}`;
    const mkey = mkeys.base + index * mkeys.stride;
    const [mm, start, pages] = [mem[mkey + MKEY.mm], mem[mkey + MKEY.start], mem[mkey + MKEY.pages]];
    const fits = registered.find((v) => v.mm === mm && v.start === start && v.last - v.start + 1 === pages);
    return fits?.target ?? `${index}`;
  };
  return {
    'hca.mkey': (i, offset, mem) => `mkey ${range(i, mem)} ${field(MKEY, offset)}`,
    'hca.mtt': (i, page, mem) => `device entry ${range(i, mem)}+${page}`,
    'hca.identity': (i, page, mem) => `identity of device entry ${range(i, mem)}+${page}`,
    'hca.reach': (i, page) => `reach of page ${page}${plan.memory.mms === 1 ? '' : ` of mm ${i}`}`,
    'hca.access': (i, offset) =>
      `${thread(i % plan.threads.length)} access${plan.memory.mms === 1 ? '' : ` to mm ${Math.floor(i / plan.threads.length)}`} ${field(ACCESS, offset)}`,
    'hca.qp': (i, offset) => `${thread(i)} qp ${field(QP, offset)}`,
    'hca.queue': (_i, offset) => `request queue ${field(REQUEST_QUEUE, offset)}`,
    'hca.requests': (i, offset) => `page request ${i} ${field(REQUEST, offset)}`,
  };
}

function driverDescribers(plan: CellPlan, fields: Strategy['fields']): Readonly<Record<string, Describe>> {
  const own = (struct: AnyStruct | undefined, offset: number): string =>
    struct === undefined ? `strategy word ${offset}` : `${struct.$name} ${field(struct, offset)}`;
  return {
    'odp.ucontext': (i, offset) => {
      const name = offset < UCONTEXT.$words ? field(UCONTEXT, offset) : own(fields?.ucontext, offset - UCONTEXT.$words);
      return `${name}${plan.memory.mms === 1 ? '' : ` of process ${i}`}`;
    },
    'odp.umem': (i, offset) => {
      if (offset < UMEM.$words) return `umem ${i} ${field(UMEM, offset)}`;
      const struct = fields?.umem;
      return `umem ${i} ${struct === undefined ? `strategy word ${offset - UMEM.$words}` : field(struct, offset - UMEM.$words)}`;
    },
  };
}
