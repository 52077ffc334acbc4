import type { ThreadExit, ThreadTask } from '../src/torture/thread.ts' with { 'resolution-mode': 'import' };

/**
 * What the pool runs on every thread. The pool loads its files by `require`, and a thread that is ended while `require` links an ES module takes
 * the whole process with it (V8: "IsGraphAsync must be used on an instantiated module"). This one is CommonJS, and the others
 * are loaded as `import` does it, which can be ended at any moment.
 */
module.exports = async (task: ThreadTask): Promise<ThreadExit> => {
  const { runEntry } = await import('../src/torture/run-entry.ts');
  return runEntry(task);
};
