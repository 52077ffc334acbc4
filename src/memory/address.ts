/**
 * The one view every thread has of the arena. An address is an index of a 32-bit word in it, never a byte offset.
 */
export type Memory = Int32Array<SharedArrayBuffer>;

/** Index of a 32-bit word in the arena. Address 0 is never handed out and means "none". */
export type Addr = number & { readonly __unit: 'word address' };

/** Virtual page number inside one mm. */
export type Vpn = number & { readonly __unit: 'virtual page number' };

/** Page frame number. Frame 0 is never handed out and means "none". */
export type Pfn = number & { readonly __unit: 'page frame number' };

export const NULL_ADDR = 0 as Addr;
export const NULL_PFN = 0 as Pfn;

/** Words in one cache line (64 bytes). Two threads that write inside one line slow each other down. */
export const LINE_WORDS = 16;

/** `base + offset`, still an address. Inlined by the JIT; exists so that a plain number is never taken for an address. */
export const at = (base: Addr, offset: number): Addr => (base + offset) as Addr;
