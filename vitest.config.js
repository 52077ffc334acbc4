import { availableParallelism } from 'node:os';
import { defineConfig } from 'vitest/config';

// The tests run as built: the same files that a user gets, loaded as Node loads them, and worker threads load without a transform.
const dist = process.env.ODPTORTURE_DIST ?? 'dist';
const under = (folders) => folders.map((folder) => `${dist}/test/${folder}/**/*.test.js`);

/** Threads or processes that need the cores: one file at a time, or they starve each other. */
const ALONE = under(['torture', 'e2e', 'sync', 'trace', 'memory', 'bench', 'soak', 'inspect', 'browser']);

const common = {
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // No file leaves anything behind in its modules, and loading them anew for each takes longer than most tests.
  isolate: false,
  experimental: { viteModuleRunner: false, nodeLoader: false },
};

export default defineConfig({
  test: {
    projects: [
      {
        test: {
          ...common,
          name: 'side by side',
          include: under(['*']),
          exclude: ALONE,
          maxWorkers: Math.min(2, availableParallelism()),
          sequence: { groupOrder: 0 },
        },
      },
      {
        test: { ...common, name: 'alone', include: ALONE, fileParallelism: false, sequence: { groupOrder: 1 } },
      },
    ],
  },
});
