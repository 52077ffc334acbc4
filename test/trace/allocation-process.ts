import { Session } from 'node:inspector/promises';
import { openRefaultWorld, PAGES, type RefaultConfig, TIMEOUT_MS } from '../../bench/refault-world.ts';
import { createDmaAccess, dmaAccess } from '../../src/hca/dma.ts';
import type { Vpn } from '../../src/memory/address.ts';
import { madviseDontneed } from '../../src/mm/madvise.ts';
import { handlePageFault } from '../../src/odp/fault-engine.ts';

/** Says how many bytes a refault puts on V8's heap once its code is compiled, and where most of them come from, as JSON. */
const WARM_UP = 100_000;
const MEASURED = 50_000;

const { actor, ctx, key } = openRefaultWorld(JSON.parse(process.argv[2]!) as RefaultConfig);
const access = createDmaAccess();
function refaults(n: number): void {
  for (let i = 0; i < n; i++) {
    const page = i & (PAGES - 1);
    madviseDontneed(actor, ctx.mm, page as Vpn, page as Vpn);
    dmaAccess(actor, ctx.hca, key, page, true, access);
    handlePageFault(actor, ctx, key, page, true, TIMEOUT_MS);
    dmaAccess(actor, ctx.hca, key, page, true, access);
  }
}

interface ProfileNode {
  readonly callFrame: { readonly functionName: string };
  readonly selfSize: number;
  readonly children: readonly ProfileNode[];
}

refaults(WARM_UP);
const session = new Session();
session.connect();
await session.post('HeapProfiler.startSampling', {
  samplingInterval: 512,
  includeObjectsCollectedByMajorGC: true,
  includeObjectsCollectedByMinorGC: true,
});
refaults(MEASURED);
const { profile } = await session.post('HeapProfiler.stopSampling');
const bytes = new Map<string, number>();
const add = ({ callFrame, selfSize, children }: ProfileNode): void => {
  bytes.set(callFrame.functionName, (bytes.get(callFrame.functionName) ?? 0) + selfSize);
  children.forEach(add);
};
add(profile.head);
const most = [...bytes].sort(([, a], [, b]) => b - a)[0]!;
const sum = [...bytes.values()].reduce((a, b) => a + b, 0);
process.stdout.write(JSON.stringify({ bytes: sum / MEASURED, most: most[0] }));
