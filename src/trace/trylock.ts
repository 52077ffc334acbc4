import type { Addr } from '../memory/address.ts';
import * as mutexModule from '../sync/mutex.ts';
import * as rwSemaphoreModule from '../sync/rw-semaphore.ts';
import * as spinLockModule from '../sync/spin-lock.ts';
import type { Actor } from './actor.ts';
import * as injectModule from './inject.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { CAP, shouldFail } = injectModule;
const { mutexTrylock: tryMutex } = mutexModule;
const { downReadTrylock: tryRead, downWriteTrylock: tryWrite } = rwSemaphoreModule;
const { spinTrylock: trySpin } = spinLockModule;

// The model's trylocks: those of sync/, which `fail_trylock` can make find the lock taken. One that is made to fail is no step of a
// controlled run: the lock is not looked at.
export const spinTrylock = (actor: Actor, lock: Addr): boolean =>
  !shouldFail(actor, CAP.fail_trylock) && trySpin(actor, lock);
export const mutexTrylock = (actor: Actor, lock: Addr): boolean =>
  !shouldFail(actor, CAP.fail_trylock) && tryMutex(actor, lock);
export const downReadTrylock = (actor: Actor, sem: Addr): boolean =>
  !shouldFail(actor, CAP.fail_trylock) && tryRead(actor, sem);
export const downWriteTrylock = (actor: Actor, sem: Addr): boolean =>
  !shouldFail(actor, CAP.fail_trylock) && tryWrite(actor, sem);
