import { readFileSync } from 'node:fs';
import { SourceMap } from 'node:module';
import { fileURLToPath } from 'node:url';

/** A place in a program: where its author wrote it, when the built file has a source map. */
export interface Frame {
  /** The function's name, '' for none. */
  readonly name: string;
  readonly file: string;
  readonly line: number;
  readonly col: number;
}

const FRAME = /^\s*at (?:async )?(?:(.*?) \()?((?:file:\/\/|\/|[A-Za-z]:\\|node:)[^()]*?):(\d+):(\d+)\)?$/;

/** The scheduler's own files, and those of sync/ that only pass an access on. */
const OURS = [
  new URL('../', import.meta.url),
  new URL('../../../workers/', import.meta.url),
  ...['atomics', 'control', 'data-race', 'relax'].map(syncFile),
].map((url) => fileURLToPath(url));

function syncFile(name: string): URL {
  // This file's own ending: it is built, or read as it was written.
  return new URL(`../../sync/${name}${import.meta.url.slice(import.meta.url.lastIndexOf('.'))}`, import.meta.url);
}

const isOurs = (path: string): boolean =>
  path.startsWith('node:') || OURS.some((ours) => (ours.endsWith('/') ? path.startsWith(ours) : path === ours));

/** The frames of a V8 stack, without those of the scheduler and of Node, at their places in the sources. */
export function readFrames(stack: string): Frame[] {
  const frames: Frame[] = [];
  for (const line of stack.split('\n')) {
    const match = FRAME.exec(line);
    if (match === null) continue;
    const [, name = '', place, row, column] = match;
    const path = place.startsWith('file:') ? pathOf(place) : place;
    if (isOurs(path)) continue;
    // V8 says `Object.` for a function that is called as a property; nobody who wrote it would.
    const spoken = name.replace(/^Object\./, '').replace(/ \[as .*\]$/, '');
    frames.push(sourcePlace({ name: spoken, file: path, line: Number(row), col: Number(column) }));
  }
  return frames;
}

/** A module may have been loaded with a query: `program.mjs?fixed`. */
const pathOf = (url: string): string => fileURLToPath(url.replace(/[?#].*$/, ''));

const maps = new Map<string, SourceMap | null>();

function sourcePlace(frame: Frame): Frame {
  const map = mapOf(frame.file);
  const entry = map?.findEntry(frame.line - 1, frame.col - 1);
  if (entry === undefined || !('originalSource' in entry)) return frame;
  const file = fileURLToPath(new URL(entry.originalSource, `file://${frame.file}`));
  return { name: frame.name, file, line: entry.originalLine + 1, col: entry.originalColumn + 1 };
}

const MAP_COMMENT = /\n\/\/# sourceMappingURL=([^\s]+)\s*$/;

/** The source map that a built file names; null when there is none, or it cannot be read. */
function mapOf(file: string): SourceMap | null {
  const known = maps.get(file);
  if (known !== undefined) return known;
  let map: SourceMap | null = null;
  try {
    const named = MAP_COMMENT.exec(readFileSync(file, 'utf8'))?.[1];
    if (named?.startsWith('data:'))
      map = new SourceMap(JSON.parse(Buffer.from(named.replace(/^[^,]*,/, ''), 'base64').toString()));
    else if (named !== undefined)
      map = new SourceMap(JSON.parse(readFileSync(new URL(named, `file://${file}`), 'utf8')));
  } catch {
    // Places in the built file are good enough.
  }
  maps.set(file, map);
  return map;
}
