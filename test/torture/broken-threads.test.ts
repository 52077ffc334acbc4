import { afterAll, describe, expect, it } from 'vitest';
import type { CellFault } from '../../src/results/types.ts';
import type { Role } from '../../src/scenario/plan.ts';
import { runCell } from '../../src/torture/cell.ts';
import { closePool, collectingSink, faultyWorkers, forever, keptPool, smallPlan, withFaults } from './cells.ts';
import type { FaultName } from './workers/faulty.ts';

afterAll(closePool);

// A fault must end its cell long before this.
const NEVER = '10m';

interface Case {
  readonly fault: FaultName;
  readonly kind: CellFault['kind'];
  readonly message: RegExp;
  readonly role: Role;
  readonly hangMs?: number;
}

const CASES: readonly Case[] = [
  { fault: 'throws', kind: 'thread-threw', message: /^broken on purpose$/, role: 'munmap' },
  { fault: 'throws-at-start', kind: 'thread-threw', message: /^no memory mapped$/, role: 'supervisor' },
  { fault: 'throws-nothing', kind: 'thread-threw', message: /^the thread ended without saying how$/, role: 'munmap' },
  { fault: 'throws-early', kind: 'thread-threw', message: /^no views$/, role: 'munmap' },
  { fault: 'throws-holding', kind: 'thread-threw', message: /^gone with a lock$/, role: 'munmap' },
  { fault: 'exits', kind: 'thread-exited', message: /^worker exited with code: 3$/, role: 'munmap' },
  { fault: 'exits-early', kind: 'thread-exited', message: /^worker exited with code: 4$/, role: 'munmap' },
  { fault: 'exits-holding', kind: 'thread-exited', message: /^worker exited with code: 0$/, role: 'munmap' },
  { fault: 'hoards', kind: 'out-of-memory', message: /memory/, role: 'munmap' },
  // Far above what a healthy operation takes.
  { fault: 'spins', kind: 'hang', message: /^no progress: runs, holds nothing$/, role: 'munmap', hangMs: 1000 },
  {
    fault: 'sleeps-holding',
    kind: 'hang',
    message: /^no progress: runs, holds mmap_lock@\d+:write$/,
    role: 'munmap',
    hangMs: 1000,
  },
];
const OTHERS = 60_000;

describe('a thread that goes wrong ends its cell, and only that', () => {
  it.each(CASES)('$fault, as $role: $kind', async ({ fault, kind, message, role, hangMs = OTHERS }) => {
    const before = await keptPool(4);
    const plan = withFaults(smallPlan({ bounds: { hangMs }, duration: NEVER }), { [role]: fault });
    const sink = collectingSink();
    const result = await runCell(plan, sink, forever(), { workerUrl: faultyWorkers(role) });
    expect(result.fault).toMatchObject({ kind, thread: fault, message: expect.stringMatching(message) });
    // Nothing was found, and that says nothing.
    expect(result.violations, sink.records.map(({ detail }) => detail).join('\n')).toEqual({});
    expect(result).toMatchObject({ verdict: 'UNKNOWN', asExpected: null, interrupted: false });
    expect(result.why).toBe(`${kind}: ${fault}: ${result.fault!.message}`);
    // Which of the two depends on how far the supervisor had come.
    expect(result.notes).toEqual([
      expect.stringMatching(/not every thread came to rest$|before all its threads had started$/),
    ]);
    expect(result.durationMs).toBeLessThan(60_000);
    const error = sink.logs.find(({ level }) => level === 'error')!;
    expect(error.message).toBe(result.why);
    // Whoever reads the log sees where the others stood.
    for (const line of (error.data as { threads: string[] }).threads) expect(line).toMatch(/^\S+: (runs|waits for)/);

    // The threads are gone, and the next cell has others, and another arena.
    expect(before.piscina.threads).toHaveLength(0);
    const next = await runCell(smallPlan({ duration: '150ms' }), collectingSink(), forever());
    expect(next.fault).toBeUndefined();
    expect(next.violations).toEqual({});
    expect(next.notes).toEqual([]);
    expect(next.operations.madvise!.count).toBeGreaterThan(0);
    const after = await keptPool(4);
    expect(after).not.toBe(before);
    expect(after.buffer).not.toBe(before.buffer);
  });

  it('an exception leaves its stack in the log', async () => {
    const plan = withFaults(smallPlan({ duration: NEVER }), { munmap: 'throws' });
    const sink = collectingSink();
    await runCell(plan, sink, forever(), { workerUrl: faultyWorkers('munmap') });
    expect(sink.logs[0]!.data).toMatchObject({ stack: expect.stringContaining('faulty') });
  });

  it('a thread that does not come to the start is named, and those that came leave', async () => {
    const plan = withFaults(smallPlan({ duration: NEVER }), { munmap: 'never-comes' });
    const result = await runCell(plan, collectingSink(), forever(), {
      workerUrl: faultyWorkers('munmap'),
      startMs: 2000,
    });
    expect(result.fault).toEqual({
      kind: 'start-timeout',
      thread: 'never-comes',
      message: '1 of 4 threads did not come to the start: never-comes',
    });
    expect(result.operations.madvise!.count).toBe(0);
    expect(result.verdict).toBe('UNKNOWN');
  });

  it('an entry file that is not there is a fault, not a rejection', async () => {
    const result = await runCell(smallPlan({ duration: NEVER }), collectingSink(), forever(), {
      workerUrl: () => new URL('./workers/missing.js', import.meta.url),
    });
    expect(result.fault).toMatchObject({ kind: 'thread-threw', message: expect.stringContaining('missing.js') });
    const unbuilt = await runCell(smallPlan({ duration: NEVER }), collectingSink(), forever(), {
      workerUrl: (role) => {
        throw new Error(`no entry for ${role}`);
      },
    });
    expect(unbuilt.fault).toMatchObject({ kind: 'thread-threw', thread: 'madvise-0', message: 'no entry for madvise' });
  });

  it('a sink that throws ends the cell and its threads', async () => {
    const sink = {
      ...collectingSink(),
      progress: () => {
        throw new Error('disk full');
      },
    };
    await runCell(smallPlan({ duration: '150ms' }), collectingSink(), forever());
    const before = await keptPool(4);
    await expect(runCell(smallPlan({ duration: NEVER }), sink, forever())).rejects.toThrow('disk full');
    expect(before.piscina.threads).toHaveLength(0);
  });
});

describe('a deadlock', () => {
  it('is named with its cycle, long before anybody would call it a hang', async () => {
    const plan = withFaults(smallPlan({ duration: NEVER, bounds: { hangMs: 600_000 } }), {
      madvise: 'lock-first',
      munmap: 'lock-second',
    });
    const sink = collectingSink();
    const result = await runCell(plan, sink, forever(), { workerUrl: faultyWorkers('madvise', 'munmap') });
    expect(result).toMatchObject({ verdict: 'FAILURE', asExpected: false, why: 'not expected: deadlock, lock-order' });
    const once = { count: 1, firstAtMs: expect.any(Number) };
    expect(result.violations).toEqual({ deadlock: once, 'lock-order': once });
    expect(result.violations.deadlock!.firstAtMs).toBeLessThan(10_000);
    const record = sink.records.find(({ oracle }) => oracle === 'deadlock')!;
    expect(record.detail).toMatch(/^wait-for cycle: /);
    expect(record.detail).toMatch(/lock-first waits for rwsemWrite invalidate_lock@\d+, which depends on lock-second/);
    expect(record.detail).toMatch(/lock-second waits for rwsemWrite mmap_lock@\d+, which depends on lock-first/);
    expect(result.fault).toEqual({
      kind: 'deadlock',
      thread: expect.stringMatching(/^lock-(first|second)$/),
      message: record.detail,
    });
    const next = await runCell(smallPlan({ duration: '150ms' }), collectingSink(), forever());
    expect(next.violations).toEqual({});
    expect(next.notes).toEqual([]);
  });
});
