/** Pages `start` .. `last`, both included. */
export interface Pages {
  readonly start: number;
  readonly last: number;
}

export const pagesOverlap = (a: Pages, b: Pages): boolean => a.start <= b.last && b.start <= a.last;
