import type { Observer } from '../trace/observer.ts';
import { checkCount } from './counter.ts';
import { checkCpuData, checkDeviceData, checkPoison } from './data-corruption.ts';
import { checkEntriesInSection } from './entry-in-section.ts';
import { checkStaleDma } from './stale-dma.ts';
import { checkFaultStarvation, type FaultMeter } from './starvation.ts';
import { checkPairing, closeLedger, createLedger } from './unpaired-section.ts';
import type { OracleView } from './view.ts';

/** The oracles that judge on the thread to which a fact happens; the others run on the supervisor: see audit.ts. */
export interface JudgingObserver extends Observer {
  /** The thread does no more: sections that it began and did not end are found now. */
  finished(actor: Parameters<Observer['frameReused']>[0]): void;
}

/** Makes one thread's oracles. */
export function createObserver(view: OracleView): JudgingObserver {
  const ledger = createLedger();
  const meter: FaultMeter = { fired: false };
  return {
    frameReused: (actor, pfn, intact) => checkPoison(actor, view, pfn, intact),
    cpuAccessed: (actor, vpn, pfn, expected, found) => checkCpuData(actor, view, vpn, pfn, expected, found),
    sectionStarted() {},
    sectionEnding: (actor, mm, start, last) => checkEntriesInSection(actor, view, mm, start, last),
    notifierCalled: (actor, subscription, cookie, call) =>
      checkPairing(actor, view, ledger, subscription, cookie, call),
    dmaAccessed(actor, access) {
      checkStaleDma(actor, view, access);
      checkDeviceData(actor, view, access);
    },
    countChanged: (actor, umem, value, seq) => checkCount(actor, view, umem, value, seq),
    faultRefused: (actor, umem, vpn, attempt, opportunities) =>
      checkFaultStarvation(actor, view, meter, umem, vpn, attempt, opportunities),
    finished: (actor) => closeLedger(actor, view, ledger),
  };
}
