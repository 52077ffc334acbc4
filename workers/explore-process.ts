import { runProcess } from '../src/explore/pipeline/process-main.ts';

/** A process that explores for `odptorture explore`: it opens one subject and runs the searches that it is told to. */
runProcess();
