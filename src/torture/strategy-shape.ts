import { DEFAULT_ERA } from '../mm/era.ts';
import { CORRECT_MM_STEPS } from '../mm/steps.ts';
import { CORRECT_ODP_STEPS } from '../odp/steps.ts';
import type { Expectation, Strategy } from '../odp/strategy.ts';
import { NO_EXPECTATION, type UserStrategy } from '../odp/user-strategy.ts';
import { ORACLE_NAMES } from '../oracles/names.ts';
import { didYouMean, nearest } from '../scenario/suggest.ts';
import { STRATEGIES } from '../strategies/index.ts';

type Kind = 'text' | 'flag' | 'data' | 'hook';
type Member = keyof Strategy | 'mmSteps' | 'odpSteps';

/** Every member that a strategy may have. */
const MEMBERS = {
  name: 'text',
  title: 'text',
  origin: 'text',
  reasoning: 'text',
  params: 'data',
  words: 'data',
  fields: 'data',
  pins: 'flag',
  keepsOut: 'flag',
  keepsSubscription: 'flag',
  mmSteps: 'data',
  odpSteps: 'data',
  init: 'hook',
  registerLocks: 'hook',
  insert: 'hook',
  remove: 'hook',
  rangeStart: 'hook',
  rangeEnd: 'hook',
  faultBegin: 'hook',
  faultCheck: 'hook',
  faultWait: 'hook',
  faultWake: 'hook',
  leave: 'hook',
  release: 'hook',
  free: 'hook',
  audit: 'hook',
  expected: 'hook',
} as const satisfies Record<Member, Kind>;

const MEMBER_NAMES = Object.keys(MEMBERS);
type MemberName = keyof typeof MEMBERS;
export type HookName = { [K in MemberName]: (typeof MEMBERS)[K] extends 'hook' ? K : never }[MemberName];
export const HOOKS = Object.entries(MEMBERS).flatMap(([name, kind]) => (kind === 'hook' ? [name as HookName] : []));
const OPTIONAL_HOOKS: readonly HookName[] = ['init', 'leave', 'release', 'free', 'expected'];
const REQUIRED = ['name', ...HOOKS.filter((name) => !OPTIONAL_HOOKS.includes(name))];

const EXPECTED: Readonly<Record<Kind, string>> = {
  text: 'a string',
  flag: 'true or false',
  data: 'an object',
  hook: 'a function',
};
const SPACES = ['ucontext', 'umem', 'section'] as const;
/** Each umem and each section has them: more than this is a mistake in units. */
const MAX_WORDS = 1 << 16;
const NAME = /^[a-z][a-z0-9]*(?:-[a-z0-9]+)*$/;
export const LOCK_MODES: readonly unknown[] = ['none', 'read', 'write', 'all'];

type Data = Readonly<Record<string, unknown>>;
const isData = (value: unknown): value is Data => typeof value === 'object' && value !== null && !Array.isArray(value);
const isWhole = (value: unknown): value is number => Number.isInteger(value);

export function show(value: unknown): string {
  if (typeof value === 'function') return 'a function';
  if (Array.isArray(value)) return `an array of ${value.length}`;
  if (value instanceof Promise) return 'a promise';
  if (typeof value === 'object' && value !== null) return 'an object';
  return typeof value === 'string' ? `'${value}'` : String(value);
}

/** What is wrong with an export that should be a strategy; empty when nothing is. */
export function strategyFaults(value: unknown): string[] {
  if (!isData(value)) return [`it exports ${show(value)}, not a strategy`];
  const faults = memberFaults(value);
  for (const [name, kind] of Object.entries(MEMBERS))
    if (value[name] !== undefined) faults.push(...typeFaults(name, kind, value[name]));
  if (faults.length > 0) return faults;
  const values = [
    ...nameFaults(value.name as string),
    ...paramFaults((value.params ?? {}) as Data),
    ...wordFaults((value.words ?? {}) as Data),
    ...stepFaults('mmSteps', (value.mmSteps ?? {}) as Data, CORRECT_MM_STEPS),
    ...stepFaults('odpSteps', (value.odpSteps ?? {}) as Data, CORRECT_ODP_STEPS),
    ...fieldFaults((value.fields ?? {}) as Data, (value.words ?? {}) as Data),
  ];
  return values.length > 0 ? values : answerFaults(value as unknown as UserStrategy);
}

/** The two hooks that only decide are asked: what they answer is known before any cell runs. */
function answerFaults(given: UserStrategy): string[] {
  const { registerLocks, expected, params } = completed(given, '');
  const values = Object.fromEntries(Object.entries(params).map(([name, spec]) => [name, spec.default]));
  return [
    answerFault('registerLocks', () => {
      const mode = registerLocks.call(given, DEFAULT_ERA);
      return LOCK_MODES.includes(mode) ? '' : `returned ${show(mode)}; it must return one of ${LOCK_MODES.join(', ')}`;
    }),
    ...[true, false].map((rmap) =>
      answerFault('expected', () => expectationFault(expected.call(given, DEFAULT_ERA, { rmap }, values))),
    ),
  ].filter((fault, i, all) => fault !== '' && all.indexOf(fault) === i);
}

function answerFault(hook: HookName, ask: () => string): string {
  try {
    const fault = ask();
    return fault === '' ? '' : `hook '${hook}' ${fault}`;
  } catch (error) {
    return `hook '${hook}' threw ${error instanceof Error ? `${error.name}: ${error.message}` : show(error)}`;
  }
}

const plain = (value: unknown): boolean => (value as () => unknown).constructor.name === 'Function';

function typeFaults(name: string, kind: Kind, value: unknown): string[] {
  const is = { text: typeof value === 'string', flag: typeof value === 'boolean', data: isData(value) };
  const right = kind === 'hook' ? typeof value === 'function' : is[kind];
  const what = kind === 'hook' ? `hook '${name}'` : `'${name}'`;
  if (!right) return [`${what} is ${show(value)}; it must be ${EXPECTED[kind]}`];
  if (kind !== 'hook' || plain(value)) return [];
  return [
    `${what} is an async function, a generator or a class; it must be a plain function: nobody waits for a promise`,
  ];
}

/** Members that are missing, and those that do not exist: one that is misspelt is both, and told once. */
function memberFaults(value: Data): string[] {
  const absent = MEMBER_NAMES.filter((name) => value[name] === undefined);
  const strangers = Object.keys(value).filter((name) => !MEMBER_NAMES.includes(name));
  const meant = new Map(strangers.map((name) => [nearest(name, absent), name]));
  const missing = REQUIRED.filter((name) => absent.includes(name)).map((name) => {
    const what = name === 'name' ? "'name' is missing" : `hook '${name}' is missing`;
    const near = meant.get(name);
    return near === undefined ? what : `${what}; did you mean it by '${near}'?`;
  });
  // One that may be left out, misspelt, would be left out in silence.
  const odd = strangers.map((name) => {
    const hint = nearest(name, absent) ?? nearest(name, MEMBER_NAMES);
    if (hint !== undefined && REQUIRED.includes(hint)) return null;
    const advice = hint === undefined ? 'helpers go outside of the object' : `did you mean '${hint}'?`;
    return `'${name}' is no member of a strategy; ${advice}`;
  });
  return [...missing, ...odd.filter((fault) => fault !== null)];
}

function nameFaults(name: string): string[] {
  if (!NAME.test(name))
    return [`its name is '${name}'; it must be small letters, digits and single hyphens, as in 'my-count'`];
  if (name === 'all' || STRATEGIES.some((one) => one.name === name))
    return [
      `its name '${name}' is that of ${name === 'all' ? 'all strategies' : 'a built-in strategy'}; give it another`,
    ];
  return [];
}

function paramFaults(params: Data): string[] {
  return Object.entries(params).flatMap(([name, spec]) => {
    const what = `parameter '${name}'`;
    if (!isData(spec)) return [`${what} is ${show(spec)}; it must be { default, min, max, description }`];
    const numbers = ['default', 'min', 'max'].filter((key) => !Number.isFinite(spec[key]));
    if (numbers.length > 0) return numbers.map((key) => `${what}: '${key}' is ${show(spec[key])}; it must be a number`);
    const {
      default: value,
      min,
      max,
      description = '',
    } = spec as { default: number; min: number; max: number; description?: unknown };
    if (typeof description !== 'string') return [`${what}: 'description' is ${show(description)}; it must be a string`];
    return min <= value && value <= max ? [] : [`${what}: its default ${value} is outside ${min}..${max}`];
  });
}

function wordFaults(words: Data): string[] {
  return Object.entries(words).flatMap(([name, n]) => {
    if (!(SPACES as readonly string[]).includes(name))
      return [`words: no such place '${name}'; they are ${SPACES.join(', ')}`];
    if (isWhole(n) && n >= 0 && n <= MAX_WORDS) return [];
    return [`words: '${name}' is ${show(n)}; it must be a number of 32-bit words, 0 to ${MAX_WORDS}`];
  });
}

function stepFaults(member: string, steps: Data, known: object): string[] {
  return Object.keys(steps)
    .filter((name) => !(name in known))
    .map((name) => `${member}: no such step '${name}'${didYouMean(name, Object.keys(known))}`);
}

function fieldFaults(fields: Data, words: Data): string[] {
  return Object.entries(fields).flatMap(([name, struct]) => {
    if (name !== 'ucontext' && name !== 'umem') return [`fields: no such place '${name}'; they are ucontext, umem`];
    if (!isData(struct) || !isWhole(struct.$words))
      return [`fields: '${name}' is ${show(struct)}; it must be what defineStruct returns`];
    const reserved = (words[name] ?? 0) as number;
    if (struct.$words <= reserved) return [];
    return [`fields: '${name}' has ${struct.$words} words, but 'words.${name}' is ${reserved}`];
  });
}

/** What is wrong with an answer of `expected`; empty when nothing is. */
export function expectationFault(value: unknown): string {
  if (!isData(value)) return `returned ${show(value)}; it must be { must, may, reason }`;
  for (const key of ['must', 'may']) {
    const names = value[key];
    if (!Array.isArray(names)) return `returned ${show(names)} as '${key}'; it must be an array of oracles`;
    const stranger = names.find((name) => !(ORACLE_NAMES as readonly unknown[]).includes(name));
    if (stranger !== undefined)
      return `names an oracle ${show(stranger)} that does not exist${didYouMean(String(stranger), ORACLE_NAMES)}`;
  }
  return typeof value.reason === 'string' ? '' : `returned ${show(value.reason)} as 'reason'; it must be a string`;
}

/** The whole contract, from what a user has written of it. */
export function completed(given: UserStrategy, file: string): Strategy {
  const params = Object.entries(given.params ?? {}).map(([name, spec]) => [
    name,
    { ...spec, description: spec.description ?? '' },
  ]);
  return {
    ...given,
    title: given.title ?? given.name,
    origin: given.origin ?? file,
    reasoning: given.reasoning ?? '',
    params: Object.fromEntries(params),
    words: { ucontext: 0, umem: 0, section: 0, ...given.words },
    pins: given.pins ?? false,
    init: given.init ?? (() => {}),
    expected: given.expected ?? ((): Expectation => NO_EXPECTATION),
  };
}
