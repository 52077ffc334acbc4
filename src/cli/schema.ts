import { benchJsonSchema } from '../bench/result.ts';
import { exploreJsonSchema } from '../explore/pipeline/pipeline-result.ts';
import { racesJsonSchema } from '../results/race-log-schema.ts';
import { cellsJsonSchema, seriesJsonSchema, soakJsonSchema } from '../results/soak-types.ts';
import { summaryJsonSchema } from '../results/summary.ts';
import { OdpError } from '../scenario/errors.ts';
import { scenarioJsonSchema } from '../scenario/schema.ts';
import { didYouMean } from '../scenario/suggest.ts';
import { campaignJsonSchema } from '../soak/campaign.ts';
import type { Terminal } from './terminal-io.ts';

const SCHEMAS: Readonly<Record<string, () => Record<string, unknown>>> = {
  scenario: scenarioJsonSchema,
  summary: summaryJsonSchema,
  explore: exploreJsonSchema,
  campaign: campaignJsonSchema,
  soak: soakJsonSchema,
  cells: cellsJsonSchema,
  races: racesJsonSchema,
  series: seriesJsonSchema,
  bench: benchJsonSchema,
};

/** `odptorture schema NAME`: JSON Schema, for editors and for readers of results. */
export function schemaCommand(given: string, terminal: Terminal): number {
  const schema = Object.hasOwn(SCHEMAS, given) ? SCHEMAS[given] : undefined;
  if (schema === undefined)
    throw new OdpError({
      code: 'ODP_E_USAGE',
      message: `no schema '${given}'${didYouMean(given, Object.keys(SCHEMAS))}`,
    });
  terminal.out(JSON.stringify(schema(), null, 2));
  return 0;
}
