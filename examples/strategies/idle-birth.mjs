import * as odp from 'odptorture/strategy';

const { at, defineStruct, LOCK_CLASS, NULL_ADDR, OUTCOME, umemExt, umemMutex, WAIT_QUEUE } = odp;
const { add, downRead, downWrite, load, mutexLock, mutexUnlock, store, upRead, upWrite } = odp;
const { firstOverlap, linkUmem, nextOverlap, removeUnderRwsem, tryNothingOverlaps, zapUmem } = odp;
const { waitOn, waitPrepare, waitQueueInit, wakeUpAll } = odp;

// Words of its own: some for the process, some for each umem.
const PROCESS = defineStruct('idle_birth', { running: 1, wait: WAIT_QUEUE.$words });
const OWN = defineStruct('idle_birth_umem', { count: 1, seq: 1 });
const runningOf = (ctx) => at(ctx.ext, PROCESS.running);
const waitOf = (ctx) => at(ctx.ext, PROCESS.wait);
const countOf = (umem) => at(umemExt(umem), OWN.count);
const seqOf = (umem) => at(umemExt(umem), OWN.seq);

/** One section more or less runs over `umem`; its mutex is held. */
function setCount(actor, umem, count, seq) {
  // The sequence first: a fault that finds the count at 0 again must find that the sequence has moved.
  store(actor, seqOf(umem), seq);
  store(actor, countOf(umem), count);
  actor.observer.countChanged(actor, umem, count, seq);
}

/** Calls `visit` with each umem that overlaps start .. last, its mutex held. The caller holds umem_rwsem. */
function eachOverlap(actor, ctx, start, last, visit) {
  for (let u = firstOverlap(actor, ctx, start, last); u !== NULL_ADDR; u = nextOverlap(actor, u, start, last)) {
    mutexLock(actor, umemMutex(u));
    visit(u, actor.mem[countOf(u)], actor.mem[seqOf(u)]);
    mutexUnlock(actor, umemMutex(u));
  }
}

/** Each end finds the umems that its start found: none comes in between. */
export default {
  name: 'idle-birth',
  title: 'a count for each umem, and none is born while a section runs',
  words: { ucontext: PROCESS.$words, umem: OWN.$words },
  fields: { ucontext: PROCESS, umem: OWN },
  keepsOut: true,
  init: (mem, ctx) => waitQueueInit(mem, waitOf(ctx), LOCK_CLASS.strategy),
  registerLocks: () => 'none',
  insert(actor, ctx, umem) {
    for (;;) {
      // Before the look: a section that ends after it moves the ticket, and the wait returns at once.
      const ticket = waitPrepare(actor, waitOf(ctx));
      downWrite(actor, ctx.umemRwsem);
      if (load(actor, runningOf(ctx)) === 0) break;
      upWrite(actor, ctx.umemRwsem);
      waitOn(actor, waitOf(ctx), ticket);
    }
    linkUmem(actor, ctx, umem);
    upWrite(actor, ctx.umemRwsem);
  },
  remove: removeUnderRwsem,
  rangeStart(actor, ctx, _section, start, last, blockable) {
    // A start that must not sleep goes on only where it has nothing to do; else nothing has happened yet.
    if (blockable) downRead(actor, ctx.umemRwsem);
    else if (!tryNothingOverlaps(actor, ctx, start, last)) return OUTCOME.eagain;
    add(actor, runningOf(ctx), 1);
    eachOverlap(actor, ctx, start, last, (umem, count, seq) => {
      setCount(actor, umem, count + 1, seq);
      zapUmem(actor, ctx, umem, start, last);
    });
    upRead(actor, ctx.umemRwsem);
    return OUTCOME.ok;
  },
  rangeEnd(actor, ctx, _section, start, last) {
    downRead(actor, ctx.umemRwsem);
    eachOverlap(actor, ctx, start, last, (umem, count, seq) => setCount(actor, umem, count - 1, (seq + 1) & 0x7fffffff));
    add(actor, runningOf(ctx), -1);
    upRead(actor, ctx.umemRwsem);
    wakeUpAll(actor, waitOf(ctx));
  },
  faultBegin: (actor, _ctx, umem) => load(actor, seqOf(umem)),
  faultCheck: (actor, _ctx, umem, sample) => load(actor, countOf(umem)) === 0 && load(actor, seqOf(umem)) === sample,
  faultWait(actor, ctx, umem, timeoutMs) {
    const ticket = waitPrepare(actor, waitOf(ctx));
    return load(actor, countOf(umem)) === 0 || waitOn(actor, waitOf(ctx), ticket, timeoutMs);
  },
  faultWake: (actor, ctx) => wakeUpAll(actor, waitOf(ctx)),
  audit(actor, ctx, umem, report) {
    const value = actor.mem[umem === NULL_ADDR ? runningOf(ctx) : countOf(umem)];
    if (value !== 0) report(umem, 'sections that run', value, 0);
  },
};
