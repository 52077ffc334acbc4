import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { packageRoot, shippedCampaigns } from '../../src/cli/package-root.ts';
import { loadCampaign, parseCampaign } from '../../src/soak/campaign.ts';
import { parseUntil } from '../../src/soak/until.ts';
import { cellsOf, soakFlags, soakIn, workFolder } from './soak-fixture.ts';

let work: ReturnType<typeof workFolder>;
beforeEach(() => {
  work = workFolder();
});
afterEach(() => work.remove());

const HEAD = 'kind: campaign\ndescription: d\n';
/** What is wrong with a campaign file, line by line. */
async function wrong(text: string): Promise<string[]> {
  writeFileSync(join(work.dir, 'c.yaml'), text);
  const error = await soakIn(work.dir, ['c.yaml', '--until', 'cells=1', '--no-progress']).then(
    () => new Error('it was taken'),
    (reason: unknown) => reason as Error,
  );
  return error.message.replaceAll(`${work.dir}/`, '').split('\n');
}

describe('a campaign file', () => {
  it.each([
    ['kind: load\n', ['ODP_E_CAMPAIGN_INVALID c.yaml:1:7: kind is "load"; a campaign has kind \'campaign\'']],
    ['kind: [\n', [/^ODP_E_YAML c\.yaml:2:1: /]],
    [
      `${HEAD}cels: []\n`,
      [
        'ODP_E_CAMPAIGN_INVALID c.yaml:1:1: cells: is missing',
        "ODP_E_CAMPAIGN_INVALID c.yaml:3:1: unknown key 'cels'; did you mean 'cell'?",
      ],
    ],
    [
      `${HEAD}cell: soon\ncells:\n  - { scenarios: [seed], strategies: [pinned], weight: -1 }\n`,
      [
        /^ODP_E_CAMPAIGN_INVALID c\.yaml:3:7: cell: must be a duration/,
        /^ODP_E_CAMPAIGN_INVALID c\.yaml:5:56: cells\[0\]\.weight: /,
      ],
    ],
    [
      `${HEAD}cells:\n  - scenarios: [sead]\n    strategies: [pinned]\n`,
      ["ODP_E_SCENARIO_UNKNOWN c.yaml:4:17: no scenario 'sead'; did you mean 'seed'?"],
    ],
    [
      `${HEAD}cells:\n  - scenarios: [seed]\n    strategies: [pined]\n`,
      ["ODP_E_STRATEGY_UNKNOWN c.yaml:5:17: no strategy 'pined'; did you mean 'pinned'?"],
    ],
    [
      `${HEAD}cells:\n  - scenarios: [seed]\n    strategies: [pinned]\n    era: [v9]\n`,
      [/^ODP_E_ERA c\.yaml:5:17: no era 'v9'/],
    ],
  ])('%j: its mistakes come with their places', async (text, expected) => {
    expect(await wrong(text)).toEqual(
      expected.map((line) => (typeof line === 'string' ? line : expect.stringMatching(line))),
    );
  });

  it('is found by name or by path', async () => {
    await expect(soakIn(work.dir, ['defalt'])).rejects.toThrow(
      "ODP_E_CAMPAIGN_UNKNOWN: no campaign 'defalt'; did you mean 'default'?",
    );
    await expect(soakIn(work.dir, ['./none.yaml'])).rejects.toMatchObject({
      code: 'ODP_E_CAMPAIGN_UNREADABLE',
      exitCode: 2,
    });
    await expect(soakIn(work.dir, ['default', '--strategy', 'pinned'])).rejects.toMatchObject({ code: 'ODP_E_USAGE' });
  });

  it('every one that is shipped can be run', async () => {
    for (const { name } of shippedCampaigns(packageRoot())) {
      const dir = join(work.dir, name);
      await soakIn(work.dir, [name, '--no-progress', '-o', dir, '--until', 'rotations=2']);
      expect(cellsOf(dir).length, name).toBeGreaterThan(2);
    }
  });

  it('has defaults, and weights', () => {
    const { cell, duration, judge, canary, name } = parseCampaign(
      `${HEAD}cells:\n  - { scenarios: [seed], strategies: [pinned] }\n`,
      '/x/night.yaml',
    );
    expect({ cell, duration, judge, name }).toEqual({
      cell: 10_000,
      duration: 28_800_000,
      judge: 'violations',
      name: 'night',
    });
    expect(canary).toEqual({ scenario: 'seed', strategy: 'private-count', cell: 2000 });
    expect(loadCampaign(shippedCampaigns(packageRoot())[0]!.file).judge).toBe('expectations');
  });

  it('users name files relative to it; weights come from flags, too', async () => {
    const dir = join(work.dir, 'weighted');
    const args = [
      '--scenario',
      'seed',
      '--strategy',
      'pinned=3,range-stack',
      '--no-progress',
      '-o',
      dir,
      '--until',
      'rotations=4',
    ];
    await soakIn(work.dir, args);
    const count = (strategy: string): number => cellsOf(dir).filter((line) => line.strategy === strategy).length;
    expect([count('pinned'), count('range-stack'), count('private-count')]).toEqual([12, 4, 4]);
  });
});

describe('flags of a soak', () => {
  it.each([
    [['--max-disk', '1GiB'], { maxDisk: 2 ** 30 }],
    [['--max-memory', '1.5kB'], { maxMemory: 1500 }],
    [['--stop-at', '7:05'], { stopAt: { hours: 7, minutes: 5 } }],
    [
      ['--scenario', 'seed=2.5,mixed'],
      {
        scenario: [
          { name: 'seed', weight: 2.5 },
          { name: 'mixed', weight: 1 },
        ],
      },
    ],
  ])('%j', (args, expected) => {
    expect(soakFlags(args).flags).toMatchObject(expected);
  });

  it.each([
    ['--max-disk', '1 litre'],
    ['--max-disk', '0'],
    ['--stop-at', '25:00'],
    ['--stop-at', 'noon'],
    ['--until', 'violations'],
    ['--until', 'exposures.nothing=3'],
    ['--scenario', 'seed=0'],
    ['--repeat-each', '0'],
  ])('%s %s is refused', (...args) => {
    expect(() => soakFlags(args)).toThrow();
  });

  it('conditions are read, or said to be wrong', () => {
    expect(parseUntil('exposures.fault-in-section=1e6')).toMatchObject({
      what: 'exposures',
      name: 'fault-in-section',
      least: 1e6,
    });
    expect(parseUntil('violation=1')).toBe("'violation=1': nothing is called 'violation'; did you mean 'violations'?");
    expect(parseUntil('cells=0')).toBe("'cells=0': it is reached before the first cell");
  });
});
