import type { Observer } from '../trace/observer.ts';
import * as counterModule from './counter.ts';
import * as dataCorruptionModule from './data-corruption.ts';
import * as deadKeyCommandModule from './dead-key-command.ts';
import * as entryInSectionModule from './entry-in-section.ts';
import * as lifetimeModule from './lifetime.ts';
import * as sleepModule from './sleep-in-nonblockable.ts';
import * as staleDmaModule from './stale-dma.ts';
import type { FaultMeter } from './starvation.ts';
import * as starvationModule from './starvation.ts';
import * as tornReadModule from './torn-read.ts';
import * as unpairedSectionModule from './unpaired-section.ts';
import type { OracleView } from './view.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { checkCount } = counterModule;
const { checkCpuData, checkDeviceData, checkPoison } = dataCorruptionModule;
const { reportDeadKey } = deadKeyCommandModule;
const { checkEntriesInSection } = entryInSectionModule;
const { reportDoubleFree, reportUseAfterFree } = lifetimeModule;
const { reportSleep } = sleepModule;
const { checkStaleDma } = staleDmaModule;
const { checkFaultStarvation } = starvationModule;
const { checkTornRead } = tornReadModule;
const { checkPairing, closeLedger, createLedger } = unpairedSectionModule;

/** The oracles that judge on the thread to which a fact happens; the others run on the supervisor: see audit.ts. */
export interface JudgingObserver extends Observer {
  /** The thread does no more: sections that it began and did not end are found now. */
  finished(actor: Parameters<Observer['frameReused']>[0]): void;
  /** Forgets all that it has seen: the arena has been reset under a thread that goes on. */
  reset(): void;
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
    notifierCalled: (actor, subscription, cookie, call, epoch) =>
      checkPairing(actor, view, ledger, subscription, cookie, call, epoch),
    dmaAccessed(actor, access) {
      checkStaleDma(actor, view, access);
      checkTornRead(actor, view, access);
      checkDeviceData(actor, view, access);
    },
    countChanged: (actor, umem, value, seq) => checkCount(actor, view, umem, value, seq),
    faultRefused: (actor, umem, vpn, attempt, opportunities) =>
      checkFaultStarvation(actor, view, meter, umem, vpn, attempt, opportunities),
    usedAfterFree: (actor, kind, id) => reportUseAfterFree(actor, view, kind, id),
    freedTwice: (actor, kind, id) => reportDoubleFree(actor, view, kind, id),
    deadKeyCommand: (actor, index, command) => reportDeadKey(actor, view, index, command),
    sleptInNonblockable: (actor, kind, addr) => reportSleep(actor, view, kind, addr),
    finished: (actor) => closeLedger(actor, view, ledger),
    reset() {
      ledger.open = 0;
      meter.fired = false;
    },
  };
}
