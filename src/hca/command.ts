import type { Actor } from '../trace/actor.ts';
import * as injectModule from '../trace/inject.ts';

// Private constants fold into the compiled code; imported ones are loaded and checked at each use.
const { CAP, shouldFail } = injectModule;

/** So often a command is posted again at most; then it goes through: the driver does not give up on one that the hardware can do. */
export const COMMAND_RETRIES_MAX = 8;

/**
 * Posts a command to the adapter, before it takes effect (mlx5: a UMR on the send queue of the driver's own QP, posted again when the
 * QP had to be recovered). The caller holds the umem mutex all the while: what a retry costs is time under that lock.
 */
export function postCommand(actor: Actor): void {
  for (let retries = 0; retries < COMMAND_RETRIES_MAX && shouldFail(actor, CAP.fail_command); retries++);
}
