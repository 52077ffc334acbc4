/** `0x3,1,0x2`: numbers in a row with how often each is repeated. */
export function packRuns(numbers: readonly number[]): string {
  const runs: string[] = [];
  for (let i = 0, j = 0; i < numbers.length; i = j) {
    while (j < numbers.length && numbers[j] === numbers[i]) j++;
    runs.push(j - i === 1 ? `${numbers[i]}` : `${numbers[i]}x${j - i}`);
  }
  return runs.join(',');
}

/** The other way; null when it is no such text, or has more than `limit` numbers. */
export function unpackRuns(text: string, limit: number): number[] | null {
  if (text === '') return [];
  const numbers: number[] = [];
  for (const run of text.split(',')) {
    const match = /^(\d{1,9})(?:x(\d{1,9}))?$/.exec(run);
    if (match === null) return null;
    const times = match[2] === undefined ? 1 : Number(match[2]);
    if (times === 0 || numbers.length + times > limit) return null;
    for (let i = 0; i < times; i++) numbers.push(Number(match[1]));
  }
  return numbers;
}
