import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { isMap, isNode, isScalar, LineCounter, type ParsedNode, parseDocument } from 'yaml';
import type { z } from 'zod';
import { type ErrorCode, type Issue, OdpError, type Position, systemReason } from './errors.ts';
import { checkLitmus } from './litmus.ts';
import { litmusSchema, loadSchema, type Scenario } from './schema.ts';
import { didYouMean } from './suggest.ts';

export type Path = readonly PropertyKey[];

/** A scenario file that was read and is valid by itself; what depends on flags is checked by `resolveCells`. */
export interface LoadedScenario {
  readonly name: string;
  readonly file: string;
  readonly scenario: Scenario;
  /** Where in the file a member stands; for one that is not written, the nearest enclosing one. */
  locate(path: Path): Position;
}

/** Reads and validates a scenario file; throws `OdpError` with one issue for each mistake. */
export function loadScenario(path: string): LoadedScenario {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const message = `cannot read the scenario: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_SCENARIO_UNREADABLE', message, at: path }, { cause: error });
  }
  return parseScenario(text, path);
}

/** `loadScenario` for a text at hand; `file` is what positions name. */
export function parseScenario(text: string, file: string): LoadedScenario {
  const yaml = parseYaml(text, file);
  const scenario = validate(yaml);
  const { locate } = yaml;
  const name = scenario.name ?? basename(file, extname(file));
  const loaded: LoadedScenario = { name, file, scenario, locate };
  if (scenario.kind === 'litmus') checkLitmus(scenario, locate);
  return loaded;
}

/** A YAML document as data, with the places of its members. */
export interface YamlDocument {
  readonly data: unknown;
  locate(path: Path): Position;
  /** Where a key itself stands, not its value. */
  locateKey(path: Path, key: string): Position;
}

/** Throws `ODP_E_YAML` with one issue for each mistake. */
export function parseYaml(text: string, file: string): YamlDocument {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, uniqueKeys: true, prettyErrors: false });
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset);
    return { file, line, col };
  };
  if (doc.errors.length > 0) {
    const issues = doc.errors.map(
      (e): Issue => ({ code: 'ODP_E_YAML', message: firstLower(e.message), at: at(e.pos[0]) }),
    );
    throw new OdpError(issues);
  }
  const root = doc.contents;
  let data: unknown;
  try {
    data = doc.toJS({ maxAliasCount: 100 });
  } catch (error) {
    // Too many aliases: a document that would unfold without bound.
    throw new OdpError({ code: 'ODP_E_YAML', message: systemReason(error), at: at(0) }, { cause: error });
  }
  return {
    data,
    locate: (path) => at(nodeAt(root, path)?.range?.[0] ?? 0),
    locateKey: (path, key) => at(keyAt(nodeAt(root, path), key) ?? 0),
  };
}

function validate(yaml: YamlDocument): Scenario {
  const { data, locate } = yaml;
  const invalid = (message: string, at: Position): OdpError =>
    new OdpError({ code: 'ODP_E_SCENARIO_INVALID', message, at });
  if (typeof data !== 'object' || data === null || Array.isArray(data))
    throw invalid('a scenario is a mapping with `kind: load` or `kind: litmus`', locate([]));
  const kind = (data as { kind?: unknown }).kind;
  if (kind !== 'load' && kind !== 'litmus') {
    const found = kind === undefined ? 'is missing' : `is ${JSON.stringify(kind)}`;
    throw invalid(`kind ${found}; it must be 'load' or 'litmus'`, locate(['kind']));
  }
  const schema: z.ZodType<Scenario> = kind === 'load' ? loadSchema : litmusSchema;
  return validateAs(schema, yaml, 'ODP_E_SCENARIO_INVALID');
}

/** Data that the schema takes; throws `OdpError` with one issue for each member that it does not, by their places. */
export function validateAs<T>(schema: z.ZodType<T>, { data, locate, locateKey }: YamlDocument, code: ErrorCode): T {
  const parsed = schema.safeParse(data);
  if (parsed.success) return parsed.data;
  const found: Issue[] = [];
  for (const issue of parsed.error.issues.flatMap(flatten)) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys)
        found.push({
          code,
          message: `unknown key '${key}'${where(issue.path)}${didYouMean(key, knownKeys(schema, issue.path))}`,
          at: locateKey(issue.path, key),
        });
    } else {
      const message = `${issue.path.length > 0 ? `${pathText(issue.path)}: ` : ''}${plainMessage(issue)}`;
      const key = issue.code === 'invalid_key' ? issue.path.at(-1) : undefined;
      const at = key === undefined ? locate(issue.path) : locateKey(issue.path.slice(0, -1), String(key));
      found.push({ code, message, at });
    }
  }
  found.sort((a, b) => order(a) - order(b));
  throw new OdpError(found);
}

const order = (issue: Issue): number =>
  typeof issue.at === 'object' ? issue.at.line * 1_000_000 + issue.at.col : Number.POSITIVE_INFINITY;

type ZodIssue = z.core.$ZodIssue;

/**
 * An issue of a union says only that no branch fits. The branch that got furthest into the value is the one that was meant;
 * when none got further than its type, their expectations are joined.
 */
function flatten(issue: ZodIssue): ZodIssue[] {
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
  const branches = issue.errors.map((branch) => branch.flatMap(flatten));
  const typeMismatch = (branch: ZodIssue[]): boolean =>
    branch.length === 1 && branch[0]!.path.length === 0 && ['invalid_type', 'invalid_value'].includes(branch[0]!.code);
  const meant = branches.find((branch) => !typeMismatch(branch));
  if (meant !== undefined) return meant.map((inner) => ({ ...inner, path: [...issue.path, ...inner.path] }));
  const message = branches.map((branch) => branch[0]!.message.replace(/^Invalid input: /, '')).join(', or ');
  return [{ ...issue, code: 'custom', message } as ZodIssue];
}

const firstLower = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1);

/** zod's message without its preamble; a member that is not there is said to be missing. */
function plainMessage(issue: ZodIssue): string {
  if (issue.code === 'invalid_type' && issue.message.endsWith('received undefined')) return 'is missing';
  return firstLower(issue.message.replace(/^Invalid (?:input|option): /, ''));
}
const where = (path: Path): string => (path.length === 0 ? '' : ` in ${pathText(path)}`);

/** `memory.areas[0].pages`. */
export function pathText(path: Path): string {
  let text = '';
  for (const part of path)
    text += typeof part === 'number' ? `[${part}]` : text === '' ? String(part) : `.${String(part)}`;
  return text;
}

/** Keys that the schema knows at `path`, for a suggestion; empty where it is not a plain object. */
function knownKeys(schema: unknown, path: Path): string[] {
  let current = schema as SchemaNode | undefined;
  for (const part of path) {
    current = unwrap(current);
    if (typeof part === 'number') current = current?._zod.def.element;
    else current = current?._zod.def.shape?.[String(part)] ?? current?._zod.def.valueType;
  }
  current = unwrap(current);
  const keys = (current?._zod.def.keyType?._zod.def as { entries?: object } | undefined)?.entries;
  return Object.keys(current?._zod.def.shape ?? keys ?? {});
}

interface SchemaNode {
  readonly _zod: {
    readonly def: {
      readonly shape?: Readonly<Record<string, SchemaNode>>;
      readonly element?: SchemaNode;
      readonly valueType?: SchemaNode;
      readonly keyType?: SchemaNode;
      readonly innerType?: SchemaNode;
      /** Of a transformed one: what is written. */
      readonly in?: SchemaNode;
      readonly options?: readonly SchemaNode[];
    };
  };
}

function unwrap(schema: SchemaNode | undefined): SchemaNode | undefined {
  let current = schema;
  for (let depth = 0; depth < 8 && current !== undefined; depth++) {
    const { innerType, in: written, options } = current._zod.def;
    const next: SchemaNode | undefined =
      innerType ?? written ?? options?.find((option) => option._zod.def.shape !== undefined);
    if (next === undefined) return current;
    current = next;
  }
  return current;
}

function nodeAt(root: ParsedNode | null, path: Path): ParsedNode | null {
  let node: ParsedNode | null = root;
  for (const part of path) {
    const next: unknown = isNode(node) && 'get' in node ? node.get(part, true) : undefined;
    // What is not written has no place of its own; the mapping that lacks it has one.
    if (!isNode(next)) return node;
    node = next as ParsedNode;
  }
  return node;
}

/** Where the key itself stands, not its value. */
function keyAt(node: ParsedNode | null, key: string): number | undefined {
  if (!isMap(node)) return node?.range?.[0];
  const pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
  return (pair?.key as ParsedNode | undefined)?.range?.[0] ?? node.range?.[0];
}
