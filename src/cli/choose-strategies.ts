import { OdpError } from '../scenario/errors.ts';
import type { ResolveOptions, StrategyInfo } from '../scenario/resolve.ts';
import { STRATEGIES } from '../strategies/index.ts';
import { isStrategyFile, type LoadedStrategy, loadStrategy, pathOfStrategy } from '../torture/strategy-file.ts';

/** What `--strategy` means: names, and with them the users' own strategies that it names by file. */
export type ChosenStrategies = Pick<ResolveOptions, 'strategies' | 'registry'>;

/** Loads the files in a list of strategies. Throws `OdpError` with all that is wrong with them. */
export async function chooseStrategies(given: readonly string[] | undefined, cwd: string): Promise<ChosenStrategies> {
  if (given === undefined || !given.some(isStrategyFile)) return given === undefined ? {} : { strategies: given };
  const own: LoadedStrategy[] = [];
  const strategies: string[] = [];
  for (const name of given) {
    if (!isStrategyFile(name)) strategies.push(name);
    else {
      const loaded = await loadStrategy(name, cwd);
      const same = own.find((other) => other.strategy.name === loaded.strategy.name);
      if (same !== undefined && same.file.url !== loaded.file.url)
        throw new OdpError({
          code: 'ODP_E_STRATEGY_FILE',
          message: `its name '${loaded.strategy.name}' is that of ${pathOfStrategy(same.file)}, too; give one of them another`,
          at: name,
        });
      own.push(loaded);
      strategies.push(loaded.strategy.name);
    }
  }
  return { strategies, registry: [...STRATEGIES, ...own.map(infoOf)] };
}

export const infoOf = ({ strategy, file }: LoadedStrategy): StrategyInfo => ({
  name: strategy.name,
  params: strategy.params,
  file,
});
