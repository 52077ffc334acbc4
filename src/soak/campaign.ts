import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { z } from 'zod';
import { type Issue, OdpError, systemReason } from '../scenario/errors.ts';
import { type Path, parseYaml, validateAs, type YamlDocument } from '../scenario/load.ts';
import { duration } from '../scenario/schema.ts';

const names = z.array(z.string().min(1)).min(1);

const group = z.strictObject({
  scenarios: names.meta({ description: 'Names, or files relative to this one.' }),
  strategies: names.meta({ description: "Designs, known bugs by name, files of your own, or 'all'." }),
  weight: z
    .number()
    .positive()
    .max(1000)
    .default(1)
    .meta({ description: 'Cells of each kind in a rotation; 0.5: one in every second rotation.' }),
  cell: duration.optional().meta({ description: 'Length of these cells.' }),
  era: z.array(z.string()).min(1).optional().meta({ description: "Kernels whose locking the mm follows, or 'all'." }),
  param: z.record(z.string(), z.number()).optional().meta({ description: "Strategies' parameters." }),
});

const campaignSchema = z.strictObject({
  kind: z.literal('campaign'),
  name: z.string().optional(),
  description: z.string().min(1),
  cell: duration.prefault('10s').meta({ description: 'Length of a load cell.' }),
  duration: duration.prefault('8h').meta({ description: 'Length of the soak.' }),
  judge: z
    .enum(['violations', 'expectations'])
    .default('violations')
    .meta({ description: 'violations: any of them is a failure. expectations: one that its design is not known for.' }),
  cells: z.array(group).min(1),
  canary: z
    .strictObject({
      scenario: z.string().default('seed'),
      strategy: z.string().default('private-count'),
      cell: duration.prefault('2s'),
    })
    .prefault({})
    .meta({ description: 'A known-bad cell in every rotation. If it is not caught, nothing else can be believed.' }),
});

export type CampaignFile = z.output<typeof campaignSchema>;

/** A campaign that is valid by itself; its names are looked up by `resolveCampaign`. */
export interface Campaign extends CampaignFile {
  readonly name: string;
  /** As errors name it. */
  readonly file: string;
  readonly text: string;
  readonly hash: string;
  locate: YamlDocument['locate'];
}

export const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Throws `OdpError` with one issue for each mistake. */
export function loadCampaign(path: string): Campaign {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const message = `cannot read the campaign: ${systemReason(error)}`;
    throw new OdpError({ code: 'ODP_E_CAMPAIGN_UNREADABLE', message, at: path }, { cause: error });
  }
  return parseCampaign(text, path);
}

/** `loadCampaign` for a text at hand; `file` is what positions name. */
export function parseCampaign(text: string, file: string): Campaign {
  const yaml = parseYaml(text, file);
  const { data, locate } = yaml;
  const kind = (data as { kind?: unknown } | null)?.kind;
  if (kind !== 'campaign') {
    const found = kind === undefined ? 'is missing' : `is ${JSON.stringify(kind)}`;
    const message = `kind ${found}; a campaign has kind 'campaign'`;
    throw new OdpError({ code: 'ODP_E_CAMPAIGN_INVALID', message, at: locate(['kind']) });
  }
  const parsed: CampaignFile = validateAs(campaignSchema, yaml, 'ODP_E_CAMPAIGN_INVALID');
  return { ...parsed, name: parsed.name ?? basename(file, extname(file)), file, text, hash: sha256(text), locate };
}

/** What is wrong with a member of the campaign: issues without a place of their own get the member's. */
export function located<T>(campaign: Campaign, path: Path, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if (!(error instanceof OdpError)) throw error;
    const at = campaign.locate(path);
    throw new OdpError(
      error.issues.map((issue): Issue => (issue.at === undefined ? { ...issue, at } : issue)),
      { cause: error },
    );
  }
}

/** JSON Schema of a campaign file, for editors. */
export const campaignJsonSchema = (): Record<string, unknown> => ({
  title: 'odptorture campaign',
  ...z.toJSONSchema(campaignSchema, { io: 'input' }),
});
