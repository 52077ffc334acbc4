import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { OdpError, systemReason } from '../scenario/errors.ts';
import { SOAK_FILES, type SoakCheckpoint, soakCheckpointSchema } from './soak-types.ts';
import { writeAtomic } from './store.ts';

const refuse = (at: string, message: string): OdpError => new OdpError({ code: 'ODP_E_RESUME', message, at });

export const writeSoakCheckpoint = (dir: string, checkpoint: SoakCheckpoint): void =>
  writeAtomic(join(dir, SOAK_FILES.checkpoint), `${JSON.stringify(checkpoint)}\n`);

/** Throws `ODP_E_RESUME` with what is wrong. */
export function readSoakCheckpoint(dir: string): SoakCheckpoint {
  const file = join(dir, SOAK_FILES.checkpoint);
  const data = readJson(file, 'there is no checkpoint to go on from');
  const parsed = soakCheckpointSchema.safeParse(data);
  if (parsed.success) return parsed.data;
  const { path, message } = parsed.error.issues[0]!;
  throw refuse(file, `the checkpoint is damaged: ${path.join('.')}: ${message}`);
}

/** Throws `ODP_E_RESUME`. */
export function readJson(file: string, missing: string): unknown {
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw refuse(file, `${missing}: ${systemReason(error)}`);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw refuse(file, 'it is damaged: it is not JSON');
  }
}

/**
 * Files are cut back to where the checkpoint saw them; one that is shorter has lost what the checkpoint counts. Throws `ODP_E_RESUME`.
 */
export function checkLength(file: string, bytes: number): void {
  if (bytes === 0) return;
  let size = -1;
  try {
    ({ size } = statSync(file));
  } catch {
    // Missing: below.
  }
  if (size < bytes)
    throw refuse(
      file,
      size < 0
        ? 'the checkpoint counts on it, and it is gone'
        : `the checkpoint counts on ${bytes} bytes, and it has ${size}`,
    );
}
