import '../src/explore/control/install.ts';

/** A thread that is explored. Nothing that uses locks may be loaded before `install` has put it under control. */
const { runActor } = await import('../src/explore/control/actor-main.ts');
await runActor();
