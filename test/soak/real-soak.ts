import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { ownFolder } from '../cli/own-folder.ts';
import { type Finished, MAIN, type SpawnOptions, spawned } from '../cli/spawned.ts';

/** Seed of the first cell; each cell has the next one. */
export const SEED = 7;

/** Short: a soak of a test is about many cells, not about what they find. */
export const CELL_MS = 200;

/** Also what takes long and says little more: before a release, and when a soak has changed. */
export const FULL = process.env.ODPTORTURE_CAMPAIGN === 'full';

/** No process is waited for longer. */
const BOUND_MS = 60_000;

/** A load on few threads and pages; `more` is YAML. */
const loadText = (more: string): string => `kind: load
description: Few threads on few pages.
memory:
  pages: 24
  files: [{ pages: 8 }]
  areas:
    - { kind: anon, at: 0, pages: 16 }
    - { kind: file, at: 16, pages: 8, file: 0 }
hca: { mrs: 4, mrPages: 8, faultTimeoutMs: 20 }
threads: { madvise: 1, munmap: 1, register: 1, fault-engine: 1 }
perturb: { site: 0.15, fire: 0.025, spinMaxUs: 20, sleep: 0.5, sleepMaxUs: 120, always: [section.started, section.cleared] }
${more}
`;

export interface RealFolder {
  readonly dir: string;
  /** Folder of the soak. */
  readonly soak: string;
  write(name: string, text: string): void;
  remove(): void;
}

export interface FolderOptions {
  readonly strategies?: readonly string[];
  readonly cellMs?: number;
  /** Of a hang, milliseconds. */
  readonly hangMs?: number;
}

/** One design that is right, and one that is known to be wrong: every rotation has violations, with records and folders. */
const STRATEGIES = ['interval-notifier', 'private-count'];

/** A user's folder with the campaign `real.yaml`: its cells run on real threads, and there is a canary in each rotation. */
export function realFolder(options: FolderOptions = {}): RealFolder {
  const { strategies = STRATEGIES, cellMs = CELL_MS, hangMs = 20_000 } = options;
  const { dir, write, remove } = ownFolder();
  // Sections without a gap may starve a design: true, known, and not what these tests are about.
  write('load.yaml', loadText(`bounds: { starvationAttempts: 100000000, hangMs: ${hangMs} }`));
  write(
    'real.yaml',
    `kind: campaign
description: Real threads.
cell: ${cellMs}ms
cells:
  - { scenarios: [./load.yaml], strategies: [${strategies.join(', ')}] }
canary: { scenario: ./load.yaml, cell: ${CELL_MS}ms }
`,
  );
  return { dir, soak: join(dir, 'soak'), write, remove };
}

/** Exit codes of a soak that came to its end: on a busy machine cells as short as these may not show what is wrong with a design. */
export const ENDED: readonly (number | null)[] = [0, 1, 4];

/** `odptorture soak ARGS` in a process of its own. */
export const soakProcess = (
  { dir }: Pick<RealFolder, 'dir'>,
  args: readonly string[],
  options: Partial<SpawnOptions> = {},
): Promise<Finished> => spawned(MAIN, ['soak', '--no-progress', ...args], { cwd: dir, boundMs: BOUND_MS, ...options });

/** The soak of a folder from its beginning, and from its checkpoint on. */
export const begin = (folder: RealFolder, ...more: readonly string[]): string[] => [
  'real.yaml',
  '--seed',
  String(SEED),
  '-o',
  folder.soak,
  ...more,
];
export const resume = (folder: RealFolder, ...more: readonly string[]): string[] => ['--resume', folder.soak, ...more];

/** Looks every few milliseconds until `look` has found something; no wait is without a bound. */
export async function found<T>(what: string, look: () => T | null | undefined, boundMs = 20_000): Promise<T> {
  const end = performance.now() + boundMs;
  for (;;) {
    const seen = look();
    if (seen !== null && seen !== undefined) return seen;
    if (performance.now() > end) throw new Error(`${what}: not within ${boundMs} ms`);
    await sleep(10);
  }
}
