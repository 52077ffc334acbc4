export interface BudgetLimits {
  /** Of the results folder; null: none. */
  readonly diskBytes: number | null;
  /** Resident memory of the process, MiB; null: none. */
  readonly memoryMb: number | null;
}

/** What a soak may take. */
export interface Budget {
  /** The folder's size, taken between cells. */
  measure(bytes: number): void;
  /** Bytes that were written since. */
  add(bytes: number): void;
  /** Windows and folders may be written. Once it is full it stays so for the session: a log with holes at random places would mislead. */
  hasRoom(): boolean;
  isFull(): boolean;
  /** True once: since the last call it has become full. */
  justFilled(): boolean;
  used(): number;
  memoryPassed(rssMb: number): boolean;
}

export function createBudget({ diskBytes, memoryMb }: BudgetLimits): Budget {
  let used = 0;
  let full = false;
  let told = false;
  const look = (): void => {
    full ||= diskBytes !== null && used >= diskBytes;
  };
  return {
    measure(bytes) {
      used = bytes;
      look();
    },
    add(bytes) {
      used += bytes;
      look();
    },
    hasRoom: () => !full,
    isFull: () => full,
    justFilled() {
      const is = full && !told;
      told = full;
      return is;
    },
    used: () => used,
    memoryPassed: (rssMb) => memoryMb !== null && rssMb > memoryMb,
  };
}
