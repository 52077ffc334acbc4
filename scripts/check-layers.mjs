#!/usr/bin/env node
/**
 * Keeps the layers: a folder of src/ imports only folders above it in LAYERS. The rules are in CONTRIBUTING.md.
 * Usage: node scripts/check-layers.mjs [root]
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, resolve, sep } from 'node:path';
import { fileURLToPath } from 'node:url';
import { lineFinder, scanSource } from './source-scan.mjs';

/** Low to high. `index.ts` is src/index.ts, which sees all. */
const LAYERS = [
  ...['memory', 'sync', 'trace', 'mm', 'hca', 'odp', 'strategies', 'oracles', 'variants'],
  ...['scenario', 'world', 'results', 'torture', 'bench', 'explore', 'report'],
  ...['soak', 'inspect', 'query', 'cli', 'index.ts'],
];
/** The model: these run inside every thread and under a controlled scheduler. */
const MODEL = new Set(LAYERS.slice(0, LAYERS.indexOf('variants') + 1));
const ATOMICS_FILE = 'src/sync/atomics.ts';
/** Folders whose imports are checked; test/ is free. */
const FOLDERS = ['src', 'workers', 'bench'];
const SOURCE = /\.[cm]?[jt]sx?$/;

const layerOf = (path) => path.split('/')[1];

/** The path below the root that a relative specifier names, or null for a package, a built-in or a URL. */
const targetOf = (file, specifier) =>
  /^\.\.?(\/|$)/.test(specifier) ? posix.normalize(posix.join(posix.dirname(file), specifier)) : null;

/** What is wrong with one import of a file, or null. */
const checkTarget = (file, specifier) => {
  const inSrc = file.startsWith('src/');
  const layer = layerOf(file);
  const isModel = inSrc && MODEL.has(layer);
  const target = targetOf(file, specifier);
  if (target === null) {
    if (specifier === 'odptorture' || specifier.startsWith('odptorture/') || specifier.startsWith('#')) {
      return `imports '${specifier}', a way around the layers; name the file`;
    }
    return isModel
      ? `imports '${specifier}'; ${layer}/ is part of the model, which has no Node imports and no packages`
      : null;
  }
  if (target.startsWith('workers/')) return `imports ${target}; nothing imports workers/`;
  if (target.startsWith('src/')) {
    const [from, to] = [LAYERS.indexOf(layer), LAYERS.indexOf(layerOf(target))];
    if (to < 0) return `imports ${target}, which belongs to no layer`;
    if (!inSrc || from < 0 || to <= from) return null;
    return `imports ${target}; ${layer} may import only what stands before it in the layers, ${layerOf(target)} stands after it`;
  }
  return inSrc ? `imports ${target}, which is outside of src/` : null;
};

/** An `import()` of a computed name: only what a function from src/torture/ returns. */
const checkComputed = (file, found, helper) => {
  const isOurs = file.startsWith('src/torture/') && found.declared.has(helper);
  const isTorture = ({ names, specifier }) =>
    names.includes(helper) && (targetOf(file, specifier ?? '') ?? '').startsWith('src/torture/');
  if (helper !== '' && (isOurs || found.imports.some(isTorture))) return null;
  return 'import() of a computed name; use a string literal, or call a named helper of src/torture/ inside the parentheses';
};

const checkFile = (file, text) => {
  const found = scanSource(text);
  const lineOf = lineFinder(text);
  const problems = [];
  const report = (at, message) => problems.push({ file, line: lineOf(at), message });
  const inSrc = file.startsWith('src/');
  if (inSrc && !LAYERS.includes(layerOf(file)))
    report(0, `${layerOf(file)} is no layer; add it to the list in scripts/check-layers.mjs`);
  for (const { at, specifier, helper } of found.imports) {
    const message = specifier === null ? checkComputed(file, found, helper) : checkTarget(file, specifier);
    if (message !== null) report(at, message);
  }
  if (inSrc) for (const at of found.defaults) report(at, 'default export; only named exports here');
  if (inSrc && MODEL.has(layerOf(file)) && file !== ATOMICS_FILE) {
    for (const at of found.atomics) report(at, `uses Atomics; only ${ATOMICS_FILE} does within the model`);
  }
  return { problems, imports: found.imports.length };
};

const sourcesUnder = (root) =>
  FOLDERS.filter((folder) => existsSync(join(root, folder)))
    .flatMap((folder) => readdirSync(join(root, folder), { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile() && SOURCE.test(entry.name))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .sort();

const main = () => {
  const root = resolve(process.argv[2] ?? join(dirname(fileURLToPath(import.meta.url)), '..'));
  const files = sourcesUnder(root);
  if (!files.some((file) => file.startsWith('src/'))) {
    console.error(`layers: no sources under ${join(root, 'src')}`);
    return 1;
  }
  const results = files.map((file) => checkFile(file, readFileSync(join(root, file), 'utf8')));
  const problems = results.flatMap((result) => result.problems);
  for (const { file, line, message } of problems) console.log(`${file}:${line}: ${message}`);
  if (problems.length > 0) {
    console.error(`layers: ${problems.length} ${problems.length === 1 ? 'problem' : 'problems'}`);
    return 1;
  }
  console.log(`layers: ${files.length} files, ${results.reduce((sum, r) => sum + r.imports, 0)} imports, ok`);
  return 0;
};

process.exitCode = main();
