/**
 * Finds the imports of a TypeScript source without a parser. It reads tokens, so that comments, strings, regular expressions and
 * templates cannot be taken for code, then looks at what follows the words `import` and `export`.
 */

const SKIP = /(?:\s+|\/\/[^\n]*|\/\*[\s\S]*?\*\/)+/y;
const WORD = /#?[\p{ID_Start}$_][\p{ID_Continue}$]*/uy;
const NUMBER = /\.?\d[\w.]*/y;
const STRING = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const REGEX = /\/(?:[^\\/[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/\w*/y;
const TEMPLATE_TEXT = /(?:[^`\\$]|\\[\s\S]|\$(?!\{))*/y;

/** Words after which a slash begins a regular expression; after any other word it divides. */
const BEFORE_REGEX = new Set([
  'return',
  'typeof',
  'case',
  'in',
  'of',
  'do',
  'else',
  'void',
  'delete',
  'throw',
  'await',
  'yield',
]);

const matchAt = (pattern, text, at) => {
  pattern.lastIndex = at;
  return pattern.exec(text)?.[0] ?? '';
};

const endsValue = (token) =>
  token !== undefined &&
  (token.kind === 'word'
    ? !BEFORE_REGEX.has(token.text)
    : token.kind !== 'punct' || [')', ']', '}'].includes(token.text));

/** True where a value cannot have ended before the slash. `a++ / b` and `a! / b` end one with punctuation. */
const slashBeginsRegex = (tokens) => {
  const [before, last] = [tokens.at(-2), tokens.at(-1)];
  if (last === undefined || last.kind === 'template-head') return true;
  if (last.text === '!' && before !== undefined)
    return !(endsValue(before) && before.at + before.text.length === last.at);
  if (['+', '-'].includes(last.text) && before?.text === last.text) return false;
  return !endsValue(last);
};

/** @returns {{ kind: string, text: string, at: number }[]} Tokens; the text of a string is its content. */
export const tokenize = (text) => {
  const tokens = [];
  // Depth of braces inside each `${`, so that the brace that returns to the template is known.
  const templates = [];
  let at = text.startsWith('#!') ? text.indexOf('\n') : 0;
  const push = (kind, length, content) => {
    tokens.push({ kind, text: content ?? text.slice(at, at + length), at });
    at += length;
  };
  const templatePart = (opening) => {
    const body = matchAt(TEMPLATE_TEXT, text, at + 1);
    const end = at + 1 + body.length;
    const whole = text[end] === '`';
    if (!whole) templates.push(0);
    push(whole ? (opening ? 'string' : 'template-tail') : 'template-head', body.length + (whole ? 2 : 3), body);
  };
  while (at >= 0 && at < text.length) {
    at += matchAt(SKIP, text, at).length;
    if (at >= text.length) break;
    const c = text[at];
    const word = matchAt(WORD, text, at);
    if (word !== '') push('word', word.length);
    else if (c === "'" || c === '"') {
      const string = matchAt(STRING, text, at);
      if (string === '') push('punct', 1);
      else push('string', string.length, string.slice(1, -1));
    } else if (c === '`') templatePart(true);
    else if (c === '}' && templates.at(-1) === 0) {
      templates.pop();
      templatePart(false);
    } else {
      if (c === '{' && templates.length > 0) templates[templates.length - 1]++;
      if (c === '}' && templates.length > 0) templates[templates.length - 1]--;
      const regex = c === '/' && slashBeginsRegex(tokens) ? matchAt(REGEX, text, at) : '';
      const number = matchAt(NUMBER, text, at);
      if (regex !== '') push('regex', regex.length);
      else if (number !== '') push('number', number.length);
      else push('punct', 1);
    }
  }
  return tokens;
};

/** The index of the string that ends a clause beginning at `i`, or -1: `x, { a as b, type C }, * as ns from 'string'`. */
const clauseEnd = (tokens, i) => {
  for (let at = i; at < tokens.length; at++) {
    const { kind, text } = tokens[at];
    if (kind === 'string') {
      if (at === i || tokens[at - 1].text === 'from') return at;
      // A string as a name: `{ 'a-b' as c }`.
      if (!['{', ',', 'as', 'type'].includes(tokens[at - 1].text)) return -1;
    } else if (kind !== 'word' && !['{', '}', ',', '*'].includes(text)) return -1;
  }
  return -1;
};

/** The local names that the tokens of an import clause bring in. */
const clauseNames = (tokens, from, to) => {
  const names = [];
  for (let i = from; i < to; i++) {
    const next = tokens[i + 1]?.text;
    if (tokens[i].kind === 'word' && (next === ',' || next === '}' || next === 'from')) names.push(tokens[i].text);
  }
  return names;
};

const dynamicImport = (tokens, i) => {
  const [argument, after] = [tokens[i + 2], tokens[i + 3]];
  const literal = argument?.kind === 'string' && [')', ','].includes(after?.text);
  const helper = argument?.kind === 'word' && after?.text === '(' ? argument.text : '';
  return { kind: 'dynamic', at: tokens[i].at, specifier: literal ? argument.text : null, helper, names: [] };
};

/** `export default`, `export { a, b as c } from 'x'`, `export * as n from 'x'`; other exports name a declaration. */
const findExport = (tokens, i, found) => {
  let at = i + 1;
  if (tokens[at]?.text === 'default') found.defaults.push(tokens[i].at);
  if (tokens[at]?.text === 'type') at++;
  if (tokens[at]?.text === '{') {
    for (; at < tokens.length && tokens[at].text !== '}'; at++) {
      // `default` as the last word of an item is the exported name; `{ default as x }` is a named export.
      if (tokens[at].text === 'default' && [',', '}'].includes(tokens[at + 1]?.text))
        found.defaults.push(tokens[at].at);
    }
    at++;
  } else if (tokens[at]?.text === '*') {
    at++;
    if (tokens[at]?.text === 'as') {
      if (tokens[at + 1]?.text === 'default') found.defaults.push(tokens[at + 1].at);
      at += 2;
    }
  } else return;
  if (tokens[at]?.text === 'from' && tokens[at + 1]?.kind === 'string') {
    found.imports.push({ kind: 'export', at: tokens[i].at, specifier: tokens[at + 1].text, helper: '', names: [] });
  }
};

/** True for the global, false for a property of something else; `...Atomics` and `globalThis.Atomics` are the global. */
const isGlobal = (tokens, i) => {
  if (tokens[i - 1]?.text !== '.') return true;
  return tokens[i - 2]?.text === '.' || (tokens[i - 2]?.text === 'globalThis' && tokens[i - 2].kind === 'word');
};

/**
 * @param {string} text
 * @returns imports (statements, re-exports, `import()`; `specifier` is null where it is computed), default exports, uses of the
 *   global `Atomics`, and all names that the file declares.
 */
export const scanSource = (text) => {
  const tokens = tokenize(text);
  const found = { imports: [], defaults: [], atomics: [], declared: new Set() };
  for (const [i, token] of tokens.entries()) {
    if (token.kind !== 'word') continue;
    const previous = tokens[i - 1]?.text;
    if (token.text === 'Atomics' && isGlobal(tokens, i)) found.atomics.push(token.at);
    if (previous === '.') continue;
    if (['function', 'const', 'let'].includes(previous)) found.declared.add(token.text);
    if (token.text === 'export') findExport(tokens, i, found);
    if (token.text !== 'import') continue;
    if (tokens[i + 1]?.text === '(') found.imports.push(dynamicImport(tokens, i));
    else {
      const end = clauseEnd(tokens, i + 1);
      if (end < 0) continue;
      const names = clauseNames(tokens, i + 1, end);
      found.imports.push({ kind: 'import', at: token.at, specifier: tokens[end].text, helper: '', names });
    }
  }
  return found;
};

/** Line numbers from offsets. */
export const lineFinder = (text) => {
  const ends = [...text.matchAll(/\n/g)].map((m) => m.index);
  return (at) => ends.filter((end) => end < at).length + 1;
};
