import { OdpError } from '../../scenario/errors.ts';
import { loadProgram, type Program, programSubject } from '../subject/program.ts';
import { checkProgramShape } from '../subject/program-shape.ts';
import type { Subject, SubjectSpec } from '../subject/subject.ts';

/** The driver's half of a subject. Throws `OdpError` with all that keeps a program from being explored. */
export async function openSubject(spec: SubjectSpec): Promise<Subject> {
  if (spec.kind === 'litmus') return (await import('../subject/litmus.ts')).openLitmusSubject(spec.plan);
  const program = await load(spec.url);
  const subject = programSubject(nameOfUrl(spec.url), program);
  try {
    subject.setup(new Int32Array(new SharedArrayBuffer(Math.ceil(subject.words / 2) * 8)));
  } catch (error) {
    throw invalid(spec.url, `setup threw: ${reason(error)}`);
  }
  return subject;
}

async function load(url: string): Promise<Program> {
  try {
    return checkProgramShape(await loadProgram(url), where(url));
  } catch (error) {
    if (error instanceof OdpError) throw error;
    const code = (error as { code?: string }).code;
    if (code === 'ERR_UNKNOWN_FILE_EXTENSION')
      throw invalid(url, `Node ${process.version} cannot load this kind of file: give the built .js or .mjs`);
    throw invalid(url, `it cannot be loaded: ${reason(error)}`);
  }
}

const reason = (error: unknown): string => (error instanceof Error ? error.message : String(error)).split('\n')[0]!;
const where = (url: string): string => decodeURIComponent(url.replace(/^file:\/\//, ''));
const nameOfUrl = (url: string): string =>
  decodeURIComponent(url.split('/').at(-1)!.replace('#', ' ')).replace(/\.[cm]?[jt]s(?= |$)/, '');
const invalid = (url: string, message: string): OdpError =>
  new OdpError({ code: 'ODP_E_PROGRAM_INVALID', message, at: where(url) });
