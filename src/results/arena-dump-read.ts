import { existsSync, readFileSync, statSync } from 'node:fs';
import { endianness } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { MAX_ARENA_WORDS } from '../memory/arena.ts';
import { OdpError, systemReason } from '../scenario/errors.ts';
import type { CellPlan } from '../scenario/plan.ts';
import { ARENA_FILE, ARENA_WORDS } from './arena-dump.ts';
import type { ImageStrategy } from './arena-image.ts';
import { structsFingerprint } from './arena-structs.ts';

const whole = z.int();
const size = z.int().min(0);
const fields = z.record(z.string(), z.union([z.number(), z.string()]));

const headSchema = z.object({
  dumpVersion: z.literal(1),
  version: z.string(),
  structs: z.string(),
  endian: z.enum(['LE', 'BE']),
});

/** What this version writes; a plan is only looked at as far as reading an arena needs it. */
const dumpSchema = headSchema.extend({
  words: z.int().min(1).max(MAX_ARENA_WORDS),
  takenAtMs: z.number(),
  copyMs: z.number(),
  leftOut: z.array(z.string()),
  violation: z.looseObject({
    oracle: z.string(),
    signature: z.string(),
    nth: whole,
    scenario: z.string(),
    strategy: z.string(),
    seed: whole,
    atMs: z.number(),
    thread: z.object({ tid: whole, name: z.string() }),
    detail: z.string(),
    umem: whole.optional(),
    page: whole.optional(),
    range: z.object({ start: whole, last: whole }).optional(),
  }),
  strategy: z.object({
    name: z.string(),
    words: z.object({ ucontext: size, umem: size, section: size }),
    fields: z.object({ ucontext: fields.optional(), umem: fields.optional() }),
  }),
  regions: z.array(z.object({ name: z.string(), base: size, stride: size, count: size })),
  plan: z.looseObject({ threads: z.array(z.looseObject({ tid: whole, name: z.string(), role: z.string() })) }),
});
type Description = z.output<typeof dumpSchema>;

/** A dump that was read back. */
export interface ArenaDump extends Omit<Description, 'plan' | 'strategy'> {
  readonly folder: string;
  readonly plan: CellPlan;
  readonly strategy: ImageStrategy;
  readonly buffer: SharedArrayBuffer;
}

const missing = (at: string, message: string): OdpError => new OdpError({ code: 'ODP_E_DUMP_MISSING', message, at });
const damaged = (at: string, message: string): OdpError => new OdpError({ code: 'ODP_E_DUMP_DAMAGED', message, at });
/** It is whole, and means nothing here. */
export const alienDump = (at: string, message: string): OdpError =>
  new OdpError({ code: 'ODP_E_DUMP_ALIEN', message, at });

/**
 * Reads the dump in the folder of a violation. Throws `ODP_E_DUMP_MISSING`, `ODP_E_DUMP_DAMAGED` (cut off, or not what was written), or
 * `ODP_E_DUMP_ALIEN` (written by a version whose structs are others).
 */
export function readDump(folder: string): ArenaDump {
  if (!existsSync(folder) || !statSync(folder).isDirectory()) throw missing(folder, 'there is no such folder');
  const file = join(folder, ARENA_FILE);
  if (!existsSync(file))
    throw missing(folder, `it holds no ${ARENA_FILE}: only the first violation of a signature has a dump`);
  const description = describe(file, parsed(file));
  const path = join(folder, ARENA_WORDS);
  const bytes = unpacked(path, description.words * 4);
  const buffer = new SharedArrayBuffer(bytes.byteLength);
  new Uint8Array(buffer).set(bytes);
  return {
    ...description,
    folder,
    plan: description.plan as unknown as CellPlan,
    strategy: description.strategy as ImageStrategy,
    buffer,
  };
}

function parsed(file: string): unknown {
  try {
    return JSON.parse(readText(file));
  } catch (error) {
    if (error instanceof SyntaxError) throw damaged(file, 'it is not JSON');
    throw error;
  }
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    throw missing(file, `it cannot be read: ${systemReason(error)}`);
  }
}

/** The version first: what follows it may look otherwise in another one. */
function describe(file: string, data: unknown): Description {
  const head = headSchema.safeParse(data);
  if (!head.success)
    throw alienDump(file, `it is not the description of a dump that this version knows: ${issueOf(head.error)}`);
  const { version, structs, endian } = head.data;
  if (structs !== structsFingerprint())
    throw alienDump(
      file,
      `odptorture ${version} wrote it, from a build whose structs are laid out otherwise; inspect it with that one`,
    );
  if (endian !== endianness()) throw alienDump(file, 'it was written on a machine of the other byte order');
  const whole = dumpSchema.safeParse(data);
  if (!whole.success) throw damaged(file, issueOf(whole.error));
  return whole.data;
}

function issueOf({ issues }: z.ZodError): string {
  const { path, message } = issues[0]!;
  return path.length === 0 ? message : `'${path.join('.')}': ${message}`;
}

function unpacked(path: string, bytes: number): Uint8Array {
  let packed: Uint8Array;
  try {
    packed = readFileSync(path);
  } catch (error) {
    throw missing(path, `it cannot be read: ${systemReason(error)}`);
  }
  let words: Uint8Array;
  try {
    words = gunzipSync(packed, { maxOutputLength: bytes + 1 });
  } catch (error) {
    throw damaged(path, `it cannot be unpacked: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (words.byteLength !== bytes) throw damaged(path, `it holds ${words.byteLength} bytes, and should hold ${bytes}`);
  return words;
}
