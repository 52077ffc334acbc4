/** Lines before and after a change that are shown with it. */
const CONTEXT = 2;

/** How two texts differ, line by line: `-` was, `+` is. Empty when they do not. The longest common subsequence: files here are short. */
export function lineDiff(before: string, after: string): string[] {
  const [a, b] = [before.split('\n'), after.split('\n')];
  const width = b.length + 1;
  /** Length of the longest common subsequence of a[i..] and b[j..]. */
  const common = new Uint32Array((a.length + 1) * width);
  for (let i = a.length - 1; i >= 0; i--)
    for (let j = b.length - 1; j >= 0; j--)
      common[i * width + j] =
        a[i] === b[j]
          ? common[(i + 1) * width + j + 1]! + 1
          : Math.max(common[(i + 1) * width + j]!, common[i * width + j + 1]!);
  const lines: string[] = [];
  let [i, j] = [0, 0];
  while (i < a.length || j < b.length) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      lines.push(` ${a[i]}`);
      i++;
      j++;
    } else if (j >= b.length || (i < a.length && common[(i + 1) * width + j]! >= common[i * width + j + 1]!))
      lines.push(`-${a[i++]}`);
    else lines.push(`+${b[j++]}`);
  }
  return lines.filter((_, n) => lines.slice(Math.max(0, n - CONTEXT), n + CONTEXT + 1).some((line) => line[0] !== ' '));
}
