import { openSubject } from '../pipeline/process-subject.ts';
import { openLitmusSubject } from './litmus.ts';
import type { Subject, SubjectSpec } from './subject.ts';

/** The driver's half of what a spec describes. Throws `OdpError`, or `RangeError` for a litmus that does not fit. */
export async function resolveSubject(spec: SubjectSpec): Promise<Subject> {
  return spec.kind === 'litmus' ? openLitmusSubject(spec.plan) : openSubject(spec);
}
