import { EXIT } from '../scenario/errors.ts';

export type StopSignal = 'SIGINT' | 'SIGTERM';

export interface Signals {
  /** Aborted by the first signal. */
  readonly signal: AbortSignal;
  readonly received: () => StopSignal | null;
  dispose(): void;
}

export const exitCodeOfSignal = (signal: StopSignal): number => (signal === 'SIGINT' ? EXIT.sigint : EXIT.sigterm);

/** First Ctrl-C (or SIGTERM): end the cell, write the results, exit. Second: exit at once. */
export function installSignals(say: (line: string) => void): Signals {
  const controller = new AbortController();
  let received: StopSignal | null = null;
  const onSignal = (signal: StopSignal): void => {
    if (received !== null) process.exit(exitCodeOfSignal(signal));
    received = signal;
    say(`odptorture: ${signal}, finishing; once more to end at once`);
    controller.abort(signal);
  };
  const onInt = (): void => onSignal('SIGINT');
  const onTerm = (): void => onSignal('SIGTERM');
  process.on('SIGINT', onInt);
  process.on('SIGTERM', onTerm);
  return {
    signal: controller.signal,
    received: () => received,
    dispose() {
      process.off('SIGINT', onInt);
      process.off('SIGTERM', onTerm);
    },
  };
}
