import { availableParallelism, cpus } from 'node:os';
import type { ExploreSummary } from '../explore/pipeline/pipeline-result.ts';

/** Where an exploration ran. */
export const environmentOf = (
  version: Pick<ExploreSummary['environment'], 'commit' | 'version'>,
): ExploreSummary['environment'] => ({
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
  cores: availableParallelism(),
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  ...version,
});
