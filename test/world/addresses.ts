import type { World } from '../../src/world/world.ts';

/** Every number in a world that says where something lies, by its path. */
export function addressesOf(world: World): Record<string, number> {
  const found: Record<string, number> = {};
  const seen = new Set<object>();
  const walk = (value: unknown, path: string): void => {
    if (typeof value === 'number') found[path] = value;
    if (typeof value !== 'object' || value === null || ArrayBuffer.isView(value) || seen.has(value)) return;
    seen.add(value);
    for (const [key, member] of Object.entries(value)) walk(member, `${path}.${key}`);
  };
  const { plan: _plan, strategy: _strategy, ...places } = world;
  walk(places, 'world');
  for (let tid = 0; tid < world.threads; tid++) {
    found[`task ${tid}`] = world.taskAddr(tid);
    found[`ring ${tid}`] = world.ring(tid);
    found[`ring head ${tid}`] = world.ringHead(tid);
  }
  return found;
}
