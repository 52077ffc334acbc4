import { readFileSync, writeFileSync } from 'node:fs';

const begin = (name: string): string => `<!-- ${name}: begin -->`;
const end = (name: string): string => `<!-- ${name}: end -->`;

export const emptySection = (name: string): string => `${begin(name)}\n${end(name)}\n`;

/** A document with what lies between the marks of a section replaced; all around them is written by hand. Throws when it has no such marks. */
export function withSection(document: string, name: string, text: string): string {
  const [from, to] = [document.indexOf(begin(name)), document.indexOf(end(name))];
  if (from < 0 || to < from) throw new RangeError(`there is no '${begin(name)}' with '${end(name)}' behind it`);
  return `${document.slice(0, from + begin(name).length)}\n${text.trim()}\n${document.slice(to)}`;
}

/** A generated section: the command that made it, where it was made, and the table. */
export const madeBy = (program: string, where: string, table: string): string => {
  const args = process.argv.slice(2).join(' ');
  return `Made by

    npm run build && node dist/bench/${program}.js${args === '' ? '' : ` ${args}`}

${where}

${table
  .split('\n')
  .map((line) => `    ${line}`)
  .join('\n')}`;
};

/** Writes it into a file, or, without one, to stdout alone. */
export function writeSection(file: string | undefined, name: string, text: string): void {
  if (file === undefined) console.log(text);
  else writeFileSync(file, withSection(readFileSync(file, 'utf8'), name, text));
}
