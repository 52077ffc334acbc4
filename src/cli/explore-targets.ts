import { existsSync } from 'node:fs';
import { basename, relative, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { targetHash } from '../explore/pipeline/checkpoint.ts';
import type { SubjectSpec } from '../explore/subject/subject.ts';
import { OdpError } from '../scenario/errors.ts';
import { loadScenario } from '../scenario/load.ts';
import { resolveCells } from '../scenario/resolve.ts';
import { pathOfStrategy } from '../torture/strategy-file.ts';
import { chooseStrategies } from './choose-strategies.ts';
import type { ExploreFlags } from './explore-options.ts';
import { findScenario } from './package-root.ts';

/** One thing to explore: a program, or a litmus scenario under one strategy. */
export interface Target {
  readonly name: string;
  readonly kind: 'program' | 'litmus';
  readonly strategy: string | null;
  /** Of a user's own, as `--strategy` takes it. */
  readonly strategyFile: string | null;
  readonly spec: SubjectSpec;
  readonly hash: string;
}

export interface Targets {
  /** For the folder of the results. */
  readonly group: string;
  /** As a reader would name it. */
  readonly given: string;
  /** Its file, from wherever the command is called. */
  readonly file: string;
  readonly list: readonly Target[];
}

const PROGRAM = /\.[cm]?[jt]s(?:#.*)?$/;
/** Of files that are neither. */
const OTHER = /\.(?!ya?ml$)\w+$/;

/** What `explore TARGET` means. Throws `OdpError` with what is wrong with it. */
export async function findTargets(given: string, flags: ExploreFlags, root: string, cwd: string): Promise<Targets> {
  if (PROGRAM.test(given)) return programTarget(given, flags, cwd);
  if (OTHER.test(given)) {
    const message = `'${given}' is neither a program (.js, .mjs, .ts) nor a scenario (.yaml)`;
    throw new OdpError({ code: 'ODP_E_USAGE', message });
  }
  return litmusTargets(given, flags, root, cwd);
}

function programTarget(given: string, flags: ExploreFlags, cwd: string): Targets {
  const foreign =
    flags.strategy !== undefined
      ? 'strategy'
      : flags.param !== undefined
        ? 'param'
        : flags.era !== undefined
          ? 'era'
          : flags.inject !== undefined
            ? 'inject'
            : flags.lockDep !== undefined
              ? 'lock-dep'
              : null;
  if (foreign !== null)
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: `--${foreign} is for litmus scenarios; '${given}' is a program`,
    });
  const [path = '', member] = given.split('#');
  const file = resolve(cwd, path);
  if (!existsSync(file))
    throw new OdpError({ code: 'ODP_E_PROGRAM_INVALID', message: 'there is no such file', at: path });
  const url = pathToFileURL(file).href + (member === undefined ? '' : `#${member}`);
  const spec: SubjectSpec = { kind: 'program', url };
  const base = basename(file).replace(/\.[cm]?[jt]s$/, '');
  const name = member === undefined ? base : `${base}#${member}`;
  const target: Target = { name, kind: 'program', strategy: null, strategyFile: null, spec, hash: targetHash(spec) };
  return {
    group: `explore-${name.replaceAll(/[^\w.-]+/g, '-')}`,
    given: (relative(cwd, file) || file) + (member === undefined ? '' : `#${member}`),
    file: member === undefined ? file : `${file}#${member}`,
    list: [target],
  };
}

async function litmusTargets(given: string, flags: ExploreFlags, root: string, cwd: string): Promise<Targets> {
  const loaded = loadScenario(findScenario(root, cwd, given));
  if (loaded.scenario.kind !== 'litmus') {
    const message = `'${loaded.name}' is a load scenario; explore takes a program or a litmus scenario`;
    throw new OdpError({ code: 'ODP_E_USAGE', message, at: loaded.file });
  }
  const plans = resolveCells(loaded, {
    ...(await chooseStrategies(flags.strategy, cwd)),
    ...(flags.param === undefined ? {} : { params: flags.param }),
    ...(flags.era === undefined ? {} : { eras: flags.era }),
    ...(flags.lockDep === undefined ? {} : { lockDep: flags.lockDep }),
    ...(flags.inject === undefined ? {} : { inject: flags.inject }),
  });
  const list = plans.map((plan): Target => {
    const spec: SubjectSpec = { kind: 'litmus', plan };
    return {
      name: `${plan.scenario} ${plan.strategy}`,
      kind: 'litmus',
      strategy: plan.strategy,
      strategyFile: plan.strategyFile === undefined ? null : pathOfStrategy(plan.strategyFile),
      spec,
      hash: targetHash(spec),
    };
  });
  return { group: `explore-${loaded.name}`, given, file: resolve(loaded.file), list };
}
