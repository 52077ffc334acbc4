/** `1,204,331`. */
export const grouped = (n: number): string =>
  Math.round(n)
    .toString()
    .replace(/\B(?=(\d{3})+$)/g, ',');

/** Three figures or so: `0`, `7.3`, `950`, `12.3k`, `1.20M`. */
export function short(n: number): string {
  if (!Number.isFinite(n)) return '-';
  const abs = Math.abs(n);
  if (abs < 10) return Number.isInteger(n) ? String(n) : n.toFixed(1);
  if (abs < 9_999.5) return Math.round(n).toString();
  if (abs < 999_500) return `${(n / 1e3).toFixed(abs < 99_950 ? 1 : 0)}k`;
  if (abs < 999_500_000) return `${(n / 1e6).toFixed(abs < 9_995_000 ? 2 : abs < 99_950_000 ? 1 : 0)}M`;
  return `${(n / 1e9).toFixed(2)}G`;
}

/** A time in nanoseconds with a unit: `850ns`, `1.8us`, `40us`, `2.1ms`, `1.2s`. */
export function shortNs(ns: number): string {
  if (!Number.isFinite(ns)) return '-';
  const scaled = (value: number, unit: string): string =>
    `${value < 9.95 ? value.toFixed(1) : Math.round(value)}${unit}`;
  if (ns < 999.5) return `${Math.round(ns)}ns`;
  if (ns < 999_500) return scaled(ns / 1e3, 'us');
  if (ns < 999_500_000) return scaled(ns / 1e6, 'ms');
  return scaled(ns / 1e9, 's');
}

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Rows of cells under a header, each column as wide as its widest cell, two spaces between. */
export function table(
  columns: readonly Column[],
  rows: readonly (readonly string[])[],
): { header: string; lines: string[] } {
  const widths = columns.map((column, i) => Math.max(column.title.length, ...rows.map((row) => row[i]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    columns
      .map((column, i) => {
        const cell = cells[i] ?? '';
        return column.right === true ? cell.padStart(widths[i]!) : cell.padEnd(widths[i]!);
      })
      .join('  ')
      .trimEnd();
  return { header: line(columns.map((column) => column.title)), lines: rows.map(line) };
}

/** Breaks `words` into lines of at most `width`, joined by `, `; a word is never cut. */
export function wrapList(words: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = '';
  words.forEach((word, i) => {
    const piece = i === words.length - 1 ? word : `${word},`;
    if (line !== '' && line.length + 1 + piece.length > width) {
      lines.push(line);
      line = piece;
    } else line = line === '' ? piece : `${line} ${piece}`;
  });
  if (line !== '') lines.push(line);
  return lines;
}

/** Breaks a sentence at spaces. */
export function wrapText(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/).filter((w) => w !== '')) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  if (line !== '') lines.push(line);
  return lines;
}
