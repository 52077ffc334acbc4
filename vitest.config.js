import { defineConfig } from 'vitest/config';

// The tests run as built: the same files that a user gets, and worker threads load without a transform.
const dist = process.env.ODPTORTURE_DIST ?? 'dist';

export default defineConfig({
  test: {
    include: [`${dist}/test/**/*.test.js`],
    // Two cores: one file at a time, or threads under test starve each other.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
