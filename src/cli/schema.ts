import { exploreJsonSchema } from '../explore/pipeline/pipeline-result.ts';
import { summaryJsonSchema } from '../results/summary.ts';
import { OdpError } from '../scenario/errors.ts';
import { scenarioJsonSchema } from '../scenario/schema.ts';
import { didYouMean } from '../scenario/suggest.ts';
import type { Terminal } from './terminal-io.ts';

const SCHEMAS: Readonly<Record<string, () => Record<string, unknown>>> = {
  scenario: scenarioJsonSchema,
  summary: summaryJsonSchema,
  explore: exploreJsonSchema,
};

/** `odptorture schema scenario|summary|explore`: JSON Schema, for editors and for readers of results. */
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
