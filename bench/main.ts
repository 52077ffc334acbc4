import { locksBench } from './locks.ts';
import type { RoundOptions, Row } from './rounds.ts';

/** To add a bench, add its function here. */
const BENCHES: readonly ((options: RoundOptions) => Promise<Row[]>)[] = [locksBench];

function printTable(rows: readonly Row[]): void {
  const table = [
    ['bench', 'operation', 'ns/op', 'ratio', 'min..max over rounds'],
    ...rows.map(({ bench, name, nsPerOp, ratio }) => [
      bench,
      name,
      nsPerOp.toFixed(2),
      ratio.median.toFixed(3),
      `${ratio.min.toFixed(3)}..${ratio.max.toFixed(3)}`,
    ]),
  ];
  const widths = table[0].map((_, column) => Math.max(...table.map((row) => row[column].length)));
  for (const row of table)
    console.log(row.map((cell, i) => (i < 2 ? cell.padEnd(widths[i]) : cell.padStart(widths[i]))).join('  '));
}

for (const bench of BENCHES) {
  printTable(await bench({}));
  console.log();
}
