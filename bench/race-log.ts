import { createReadStream, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { setImmediate as turn } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { openRaceLog } from '../src/results/race-log.ts';
import type { ViolationRecord } from '../src/results/types.ts';
import { createSignatures, type Fate } from '../src/soak/signatures.ts';

// How the race log takes a storm of violations:
//   node dist/bench/race-log.js [--seconds 60] [--rate 100000] [--all]
// Records come from 40 signatures at the given rate, as far as the machine keeps up. As in a soak, the first of each signature and
// then those with a power of two for a number are logged; with --all every one is, which shows what the disk would have to take.
const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '60' },
    rate: { type: 'string', default: '100000' },
    all: { type: 'boolean', default: false },
  },
});
const SECONDS = Number(values.seconds);
const RATE = Number(values.rate);
const SIGNATURES = 40;
/** Small, so that a minute has many rotations. */
const SEGMENT_BYTES = 64 * 1024;
const MIB = 1024 * 1024;

const dir = mkdtempSync(join(tmpdir(), 'odp-race-log-'));
const log = openRaceLog({ dir, maxBytes: SEGMENT_BYTES });
const signatures = createSignatures([]);
signatures.begin();

/** The same in each record: what is measured is the log, not who makes its records. */
const WINDOW = Array.from({ length: 9 }, (_, i) => ({
  tid: i % 2,
  timeMs: 100 + i,
  point: 'umem.counted' as const,
  args: [640, i, 9] as const,
  op: i,
}));

const recordOf = (n: number): ViolationRecord => ({
  oracle: 'counter-underflow',
  signature: `counter-underflow/design-${n % SIGNATURES}/madvise`,
  nth: n,
  scenario: 'storm',
  strategy: `design-${n % SIGNATURES}`,
  seed: 1,
  atMs: n / 100,
  thread: { tid: 0, name: 'madvise-0' },
  point: 'umem.uncounted',
  umem: 640,
  detail: `the running count of umem 640 fell to -1, for the ${n}th time`,
  names: ['madvise-0', 'register-0'],
  window: WINDOW,
});

const write = (record: ViolationRecord): Fate => {
  const lost = log.lost();
  log.add(record);
  return log.lost() > lost ? 'lost' : 'logged';
};

/** Offers records as the clock asks for them; returns how many, and what memory they took at most. */
async function storm(): Promise<{ offered: number; wallMs: number; peakMb: number; startMb: number }> {
  const begun = performance.now();
  const startMb = process.memoryUsage().rss / MIB;
  let offered = 0;
  let peakMb = startMb;
  for (let now = begun; now - begun < SECONDS * 1000; now = performance.now()) {
    const due = Math.min(((now - begun) / 1000) * RATE, offered + RATE / 10);
    while (offered < due) {
      const record = recordOf(++offered);
      if (values.all) write(record);
      else signatures.offer(record, () => write(record));
    }
    peakMb = Math.max(peakMb, process.memoryUsage().rss / MIB);
    await turn();
  }
  return { offered, wallMs: performance.now() - begun, peakMb, startMb };
}

/** Reads everything back: lines that are whole records, and how many are not. */
async function readBack(): Promise<{ files: number; whole: number; torn: number; bytes: number }> {
  const names = readdirSync(dir);
  let [whole, torn, bytes] = [0, 0, 0];
  for (const name of names)
    for await (const line of createInterface({ input: createReadStream(join(dir, name)) })) {
      bytes += line.length + 1;
      try {
        JSON.parse(line);
        whole++;
      } catch {
        torn++;
      }
    }
  return { files: names.length, whole, torn, bytes };
}

try {
  const { offered, wallMs, peakMb, startMb } = await storm();
  log.close();
  const back = await readBack();
  const { unlogged, offered: counted } = signatures.tally({ strategy: '', violations: {} }, {});
  const { sampledOut } = unlogged;
  const seen = values.all ? offered : Object.values(counted).reduce((sum, n) => sum + n, 0);
  console.log(
    [
      `offered ${offered} in ${(wallMs / 1000).toFixed(1)} s: ${Math.round(offered / (wallMs / 1000))}/s`,
      `logged ${log.written()}, sampled out ${sampledOut}, lost ${log.lost()}`,
      `read back ${back.whole} whole and ${back.torn} torn lines from ${back.files} files, ${(back.bytes / MIB).toFixed(1)} MiB`,
      `resident memory ${startMb.toFixed(0)} MiB at the start, ${peakMb.toFixed(0)} MiB at most`,
    ].join('\n'),
  );
  if (
    back.torn > 0 ||
    back.whole !== log.written() ||
    seen !== offered ||
    log.written() + sampledOut + log.lost() !== offered
  ) {
    console.error('the figures do not agree');
    process.exitCode = 1;
  }
} finally {
  rmSync(dir, { recursive: true, force: true });
}
