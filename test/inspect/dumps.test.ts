import { existsSync, mkdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openPostMortem } from '../../src/inspect/post-mortem.ts';
import { ARENA_FILE, ARENA_WORDS, createDumpKeeper } from '../../src/results/arena-dump.ts';
import { readDump } from '../../src/results/arena-dump-read.ts';
import { type ArenaImage, LEFT_OUT, takeImage } from '../../src/results/arena-image.ts';
import { OdpError } from '../../src/scenario/errors.ts';
import { layoutWorld } from '../../src/world/world.ts';
import { underflow } from '../report/results-fixture.ts';
import { dumped, freshFolder, planOf, quietWorld } from './dumped.ts';

let root: string;
beforeAll(() => {
  root = freshFolder();
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

const codeOf = (work: () => unknown): string => {
  try {
    work();
  } catch (error) {
    if (error instanceof OdpError) return error.code;
    throw error;
  }
  return 'none';
};

describe('a dump', () => {
  it('holds every word of the model, and leaves out what is not of it', async () => {
    const plan = planOf('range-pool');
    const layout = layoutWorld(plan);
    const kept = Object.values(layout.regions).filter(({ name }) => !LEFT_OUT.includes(name));
    const isKept = (addr: number): boolean =>
      kept.some(({ base, stride, count }) => addr >= base && addr < base + stride * count);
    const pokes = fc.array(fc.tuple(fc.nat(layout.words - 1), fc.integer({ min: -(2 ** 31), max: 2 ** 31 - 1 })), {
      minLength: 1,
      maxLength: 100,
    });
    await fc.assert(
      fc.asyncProperty(pokes, async (written) => {
        const world = quietWorld(plan);
        for (const [addr, value] of written) world.mem[addr] = value;
        const words = new Int32Array(readDump(await dumped(root, world)).buffer);
        expect(words).toHaveLength(layout.words);
        for (const [addr] of written) expect(words[addr]).toBe(isKept(addr) ? world.mem[addr] : 0);
        for (const { base, stride, count } of kept)
          expect(
            Buffer.compare(
              Buffer.from(words.buffer, base * 4, stride * count * 4),
              Buffer.from(world.mem.buffer, base * 4, stride * count * 4),
            ),
          ).toBe(0);
      }),
      { seed: 5, numRuns: 5 },
    );
  });

  it('is read with the plan and the names that it was written with', async () => {
    for (const strategy of ['private-count', 'deferred-activation', 'pinned']) {
      const world = quietWorld(planOf(strategy));
      const p = openPostMortem(await dumped(root, world, { umem: 3 }));
      expect(p.dump.plan).toEqual(JSON.parse(JSON.stringify(world.plan)));
      expect(p.dump.strategy.fields).toEqual(JSON.parse(JSON.stringify(world.strategy.fields ?? {})));
      expect(p.dump).toMatchObject({ takenAtMs: 120, violation: { oracle: 'counter-underflow', strategy, umem: 3 } });
      expect(p.world.mem[world.mm.mms[0]!.mmapLock + 1]).toBe(world.mem[world.mm.mms[0]!.mmapLock + 1]);
    }
  });
});

describe('a dump that cannot be read', () => {
  type Head = Record<string, unknown> & { readonly regions: readonly { readonly base: number }[] };
  /** Puts other members into the description; undefined takes one out. */
  const change = (folder: string, others: (head: Head) => Record<string, unknown>): void => {
    const file = join(folder, ARENA_FILE);
    const head = JSON.parse(readFileSync(file, 'utf8')) as Head;
    writeFileSync(file, JSON.stringify({ ...head, ...others(head) }));
  };

  it.each<[string, string, (folder: string) => void]>([
    ['there is no folder', 'ODP_E_DUMP_MISSING', (folder) => rmSync(folder, { recursive: true })],
    ['there is no dump in it', 'ODP_E_DUMP_MISSING', (folder) => rmSync(join(folder, ARENA_FILE))],
    ['there are no words', 'ODP_E_DUMP_MISSING', (folder) => rmSync(join(folder, ARENA_WORDS))],
    ['its words are cut off', 'ODP_E_DUMP_DAMAGED', (folder) => truncateSync(join(folder, ARENA_WORDS), 5000)],
    ['its words are empty', 'ODP_E_DUMP_DAMAGED', (folder) => truncateSync(join(folder, ARENA_WORDS))],
    [
      'its words are too few',
      'ODP_E_DUMP_DAMAGED',
      (folder) => writeFileSync(join(folder, ARENA_WORDS), gzipSync(new Uint8Array(400))),
    ],
    [
      'its words are something else',
      'ODP_E_DUMP_DAMAGED',
      (folder) => writeFileSync(join(folder, ARENA_WORDS), 'not packed'),
    ],
    ['its description is cut off', 'ODP_E_DUMP_DAMAGED', (folder) => truncateSync(join(folder, ARENA_FILE), 300)],
    ['a part of it is missing', 'ODP_E_DUMP_DAMAGED', (folder) => change(folder, () => ({ regions: undefined }))],
    ['it is something else', 'ODP_E_DUMP_ALIEN', (folder) => writeFileSync(join(folder, ARENA_FILE), '[1]')],
    ['it has another version', 'ODP_E_DUMP_ALIEN', (folder) => change(folder, () => ({ dumpVersion: 2 }))],
    ['its structs are laid out otherwise', 'ODP_E_DUMP_ALIEN', (folder) => change(folder, () => ({ structs: '0' }))],
    ['it has the other byte order', 'ODP_E_DUMP_ALIEN', (folder) => change(folder, () => ({ endian: 'BE' }))],
    [
      'its regions lie elsewhere',
      'ODP_E_DUMP_ALIEN',
      (folder) =>
        change(folder, ({ regions }) => ({ regions: regions.map((one) => ({ ...one, base: one.base + 16 })) })),
    ],
    ['its plan makes no sense', 'ODP_E_DUMP_ALIEN', (folder) => change(folder, () => ({ plan: { threads: [] } }))],
  ])('%s: %s', async (_what, code, spoil) => {
    const folder = await dumped(root, quietWorld(planOf('pinned')));
    expect(codeOf(() => openPostMortem(folder))).toBe('none');
    spoil(folder);
    expect(codeOf(() => openPostMortem(folder))).toBe(code);
  });
});

it('a dump that is cut off at any place, or has one bit turned, is never taken for a whole one', async () => {
  const folder = await dumped(root, quietWorld(planOf('range-pool')));
  const path = join(folder, ARENA_WORDS);
  const whole = readFileSync(path);
  const words = Buffer.from(readDump(folder).buffer);
  // Behind its 10 bytes of head: flags there, as the system that packed it, mean nothing for the words.
  const places = fc.tuple(fc.integer({ min: 10, max: whole.length - 1 }), fc.nat(7), fc.boolean());
  fc.assert(
    fc.property(places, ([place, bit, isCut]) => {
      const spoiled = Buffer.from(isCut ? whole.subarray(0, place) : whole);
      if (!isCut) spoiled[place]! ^= 1 << bit;
      writeFileSync(path, spoiled);
      // A bit may be one that fills up the last byte, and stand for nothing.
      let read: Buffer = words;
      const code = codeOf(() => {
        read = Buffer.from(readDump(folder).buffer);
      });
      expect(code).toBe(isCut || code !== 'none' ? 'ODP_E_DUMP_DAMAGED' : 'none');
      expect(Buffer.compare(read, words)).toBe(0);
    }),
    { seed: 7, numRuns: 40 },
  );
});

describe('what is dumped', () => {
  it('the first violation of each signature, up to a number of dumps', async () => {
    const lines: string[] = [];
    const keeper = createDumpKeeper({
      version: '0.1.0',
      maxDumps: 2,
      log: (level, line) => lines.push(`${level} ${line}`),
    });
    const image = takeImage(quietWorld(planOf('pinned')), () => 1);
    let taken = 0;
    const take = (): ArenaImage | null => {
      taken++;
      return image;
    };
    const kept = ['a', 'a', 'b', 'c'].map((signature) => keeper.take(underflow({ signature }), take) !== null);
    expect(kept).toEqual([true, false, true, false]);
    expect(taken).toBe(2);

    const folder = join(root, 'kept');
    mkdirSync(folder);
    keeper.write(folder, underflow(), image!);
    keeper.write(join(root, 'not there'), underflow(), image!);
    await keeper.settle();
    expect(existsSync(join(folder, ARENA_FILE))).toBe(true);
    expect(lines.map((line) => line.split(' ')[0]).sort()).toEqual(['info', 'warn']);
    expect(lines.join('\n')).toContain('has no dump of the arena: ENOENT');
  });

  it('none once they have taken their share of the disk, or wait for it', async () => {
    const image = takeImage(quietWorld(planOf('pinned')), () => 1);
    const log = (): void => {};
    const full = createDumpKeeper({ version: '0.1.0', maxBytes: 1000, log });
    full.write(root, underflow(), image!);
    expect(full.take(underflow({ signature: 'a' }), () => image)).not.toBeNull();
    await full.settle();
    expect(full.take(underflow({ signature: 'b' }), () => image)).toBeNull();

    const slow = createDumpKeeper({ version: '0.1.0', maxPendingBytes: image!.words.byteLength, log });
    slow.write(root, underflow(), image!);
    expect(slow.take(underflow({ signature: 'a' }), () => image)).toBeNull();
    await slow.settle();
    expect(slow.take(underflow({ signature: 'a' }), () => image)).not.toBeNull();
  });
});
