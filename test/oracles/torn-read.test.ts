import { describe, expect, it } from 'vitest';
import { keyIndex } from '../../src/hca/device.ts';
import { deviceMap, entryAddr, identityAddr, identityEntryAddr } from '../../src/hca/device-page-table.ts';
import { createArena, layoutArena } from '../../src/memory/arena.ts';
import { contextCount } from '../../src/strategies/context-count.ts';
import {
  seqIsWhole,
  seqReadChecked,
  seqRecordInit,
  seqRecordWords,
  seqWordAddr,
  seqWrite,
} from '../../src/sync/index.ts';
import { createTask, TASK } from '../../src/sync/task.ts';
import { createBed, dma, faultOnce, fired, madvise, recordsOf, register, touch } from './fixture.ts';

describe('torn-read', () => {
  const mapped = () => {
    const bed = createBed(contextCount);
    const key = register(bed, 1, 4, 4);
    touch(bed, 0, 5);
    faultOnce(bed, 2, key, 1);
    return { bed, key, index: keyIndex(key) };
  };

  it('names an identity that was stored under an entry that it does not belong to, and blames no data', () => {
    const { bed, key, index } = mapped();
    const { mem, hca } = bed.world;
    const entry = mem[entryAddr(hca, index, 1)]!;
    // A writer that begins to map another page before the entry of this one is gone.
    deviceMap(bed.actors[2]!, hca, index, 1, entry ^ (1 << 16), 999);
    mem[entryAddr(hca, index, 1)] = entry;
    dma(bed, 3, key, 1);
    expect(fired(bed)).toEqual({ 'torn-read': 1 });
    expect(recordsOf(bed, 'torn-read')[0]!.fields).toMatchObject({ page: 5, expectedIdentity: 999 });
  });

  it('is silent for pages that come and go, and for a page that becomes writable', () => {
    const { bed, key, index } = mapped();
    for (let i = 0; i < 5; i++) {
      dma(bed, 3, key, 1, true);
      madvise(bed, 0, 5, 5);
      touch(bed, 0, 5);
      faultOnce(bed, 2, key, 1, i % 2 === 0);
      dma(bed, 3, key, 1);
    }
    const { mem, hca } = bed.world;
    const entry = mem[entryAddr(hca, index, 1)]!;
    expect(mem[identityEntryAddr(hca, index, 1)]).toBe(entry);
    deviceMap(bed.actors[2]!, hca, index, 1, entry | 2, mem[identityAddr(hca, index, 1)]!);
    dma(bed, 3, key, 1, true);
    expect(fired(bed)).toEqual({});
  });
});

describe('a sequence-counted record', () => {
  const WORDS = 3;
  const layout = layoutArena([
    { name: 'task', words: TASK.$words, count: 1 },
    { name: 'record', words: seqRecordWords(WORDS), count: 1 },
  ]);
  const make = () => {
    const mem = createArena(layout);
    const r = layout.regions.record.base;
    seqRecordInit(mem, r, WORDS);
    return { mem, r, task: createTask(mem, 0, layout.regions.task.base), to: new Int32Array(WORDS) };
  };

  it('reads whole what was written whole, at first and after more writes than are kept', () => {
    const { r, task, to } = make();
    expect(seqReadChecked(task, r, WORDS, to)).toBe(true);
    for (let i = 1; i < 30; i++) {
      seqWrite(task, r, WORDS, [i, -i, i * i]);
      expect(seqReadChecked(task, r, WORDS, to)).toBe(true);
      expect([...to]).toEqual([i, -i, i * i]);
    }
  });

  it('tells a mixed snapshot that was accepted: a writer that does not count', () => {
    const { mem, r, task, to } = make();
    seqWrite(task, r, WORDS, [1, 2, 3]);
    mem[seqWordAddr(r, 1)] = 9;
    expect(seqReadChecked(task, r, WORDS, to)).toBe(false);
    expect([...to]).toEqual([1, 9, 3]);
  });

  it('says nothing of a read that so many writes have overtaken that there is nothing to compare with', () => {
    const { mem, r, task } = make();
    seqWrite(task, r, WORDS, [1, 2, 3]);
    expect(seqIsWhole(mem, r, WORDS, 2, [1, 2, 4])).toBe(false);
    for (let i = 0; i < 8; i++) seqWrite(task, r, WORDS, [i, i, i]);
    expect(seqIsWhole(mem, r, WORDS, 2, [1, 2, 4])).toBe(true);
  });
});
