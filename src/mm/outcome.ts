/** What an operation of the model ends with: the kernel's error numbers, and the one signal that matters here. */
export const OUTCOME = { ok: 0, eagain: 11, enomem: 12, efault: 14, einval: 22, sigbus: 7 } as const;
export type Outcome = (typeof OUTCOME)[keyof typeof OUTCOME];

const OUTCOME_NAMES: Readonly<Record<number, string>> = Object.freeze({
  [OUTCOME.ok]: 'ok',
  [OUTCOME.eagain]: 'EAGAIN',
  [OUTCOME.enomem]: 'ENOMEM',
  [OUTCOME.efault]: 'EFAULT',
  [OUTCOME.einval]: 'EINVAL',
  [OUTCOME.sigbus]: 'SIGBUS',
});

export const outcomeName = (outcome: number): string => OUTCOME_NAMES[outcome] ?? `outcome ${outcome}`;
