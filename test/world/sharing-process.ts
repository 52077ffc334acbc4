import type { Addr, Vpn } from '../../src/memory/address.ts';

// Which words of the arena two threads touch that work in an mm each, and which lines they have in common. The memory is watched through
// proxies, and `Atomics` through functions of its own, so everything of the model is loaded after that.
interface Touched {
  readonly read: Set<number>;
  readonly written: Set<number>;
}
let touched: Touched | null = null;

const raw = new WeakMap<object, Int32Array>();
const READS: ReadonlySet<string> = new Set(['load', 'wait']);
for (const name of ['load', 'store', 'add', 'or', 'and', 'exchange', 'compareExchange', 'notify', 'wait'] as const) {
  const original = Atomics[name] as (mem: Int32Array, a: number, ...more: number[]) => unknown;
  Object.assign(Atomics, {
    [name]: (mem: Int32Array, a: number, ...more: number[]) => {
      touched?.[READS.has(name) ? 'read' : 'written'].add(a);
      return original(raw.get(mem) ?? mem, a, ...more);
    },
  });
}

/** Makes the views of a kind tell of each access. `words`: how many of the arena's an element has. */
function watch<T extends Int32Array | Float64Array>(kind: new (buffer: SharedArrayBuffer) => T, words: number) {
  return new Proxy(kind, {
    construct(target, args) {
      const view: T = Reflect.construct(target, args);
      if (!(args[0] instanceof SharedArrayBuffer)) return view;
      const proxy = new Proxy(view, {
        get(_, key) {
          const i = typeof key === 'string' ? Number(key) : Number.NaN;
          if (Number.isInteger(i)) {
            touched?.read.add(i * words);
            return view[i];
          }
          const value: unknown = Reflect.get(view, key);
          return typeof value === 'function' ? value.bind(view) : value;
        },
        set(_, key, value: number) {
          touched?.written.add(Number(key) * words);
          view[Number(key)] = value;
          return true;
        },
      });
      if (view instanceof Int32Array) raw.set(proxy, view);
      return proxy;
    },
  });
}
Object.assign(globalThis, { Int32Array: watch(Int32Array, 1), Float64Array: watch(Float64Array, 2) });

const { LINE_WORDS } = await import('../../src/memory/address.ts');
const { PAGES, refaultPlan, TIMEOUT_MS } = await import('../../bench/refault-world.ts');
const { attachThread } = await import('../../src/world/actor.ts');
const { arenaWords } = await import('../../src/world/size.ts');
const { attachWorld, initWorld, layoutWorld } = await import('../../src/world/world.ts');
const { createDmaAccess, dmaAccess } = await import('../../src/hca/dma.ts');
const { madviseDontneed } = await import('../../src/mm/madvise.ts');
const { handlePageFault } = await import('../../src/odp/fault-engine.ts');
const { registerMr } = await import('../../src/odp/memory-region.ts');
const { STRATEGIES } = await import('../../src/strategies/index.ts');
const { setUpMemory } = await import('../../src/torture/areas.ts');

/** Lines that one of two threads writes and the other touches, as what the first and the second touch there; thread i works in mm `mms[i]`. */
function linesInCommon(strategy: string, mms: readonly [number, number]): string[] {
  const base = refaultPlan({ strategy, observer: 'oracles', trace: true, threads: 2 });
  const plan = {
    ...base,
    memory: {
      ...base.memory,
      mms: 2,
      frames: 8 * PAGES,
      vmas: 8,
      areas: [0, 1].map((mm) => ({ ...base.memory.areas[0]!, mm })),
    },
    hca: { ...base.hca, mrs: 2 },
    threads: base.threads.map((thread, tid) => ({ ...thread, mm: mms[tid]! })),
  };
  const world = attachWorld(plan, new SharedArrayBuffer(arenaWords(plan) * 4));
  initWorld(world);
  const actors = mms.map((_, tid) => attachThread(world, tid, 0).actor);
  setUpMemory(actors[0]!, world);
  const keys = world.contexts.map((ctx) => registerMr(actors[0]!, ctx, plan.era, 0 as Vpn, PAGES));
  const all = actors.map((actor, tid) => {
    const ctx = world.contexts[mms[tid]!]!;
    const key = keys[mms[tid]!]!;
    const access = createDmaAccess();
    const refaults = (): void => {
      for (let page = 0; page < PAGES; page++) {
        madviseDontneed(actor, ctx.mm, page as Vpn, page as Vpn);
        dmaAccess(actor, ctx.hca, key, page, true, access);
        handlePageFault(actor, ctx, key, page, true, TIMEOUT_MS);
        dmaAccess(actor, ctx.hca, key, page, true, access);
      }
    };
    refaults();
    const mine: Touched = { read: new Set(), written: new Set() };
    touched = mine;
    refaults();
    touched = null;
    return mine;
  });
  const regions = Object.values(layoutWorld(plan).regions).sort((a, b) => b.base - a.base);
  const name = (a: number): string => {
    const region = regions.find(({ base: from }) => from <= a)!;
    const offset = a - region.base;
    return `${region.name}[${Math.floor(offset / region.stride)}]+${offset % region.stride}`;
  };
  const [first, second] = all.map(({ read, written }) => ({
    touched: byLine([...read, ...written], LINE_WORDS),
    written: byLine([...written], LINE_WORDS),
  }));
  return [...first!.touched]
    .filter(([line]) => second!.touched.has(line) && (first!.written.has(line) || second!.written.has(line)))
    .map(([line, words]) => `${words.map(name).join(' ')} | ${second!.touched.get(line)!.map(name).join(' ')}`);
}

function byLine(words: readonly number[], lineWords: number): Map<number, Addr[]> {
  const lines = new Map<number, Addr[]>();
  for (const a of new Set(words)) {
    const line = Math.floor(a / lineWords);
    lines.set(line, [...(lines.get(line) ?? []), a as Addr]);
  }
  return lines;
}

const faulting = STRATEGIES.filter(({ pins }) => !pins).map(({ name }) => name);
process.stdout.write(
  JSON.stringify({
    apart: Object.fromEntries(faulting.map((name) => [name, linesInCommon(name, [0, 1])])),
    together: linesInCommon('interval-notifier', [0, 0]),
  }),
);
