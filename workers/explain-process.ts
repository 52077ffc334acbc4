import { answerMinimal } from '../src/explore/explain/explain-process.ts';

/** A process that makes a litmus and its schedule small for `odptorture explore --from`. */
answerMinimal();
