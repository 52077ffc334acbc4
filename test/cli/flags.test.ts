import { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { addRunOptions, applyEnvironment, environmentName, type RunFlags } from '../../src/cli/options.ts';

function flagsOf(args: readonly string[], env: Record<string, string> = {}): RunFlags {
  const command = addRunOptions(new Command('run'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  command.parse([...args], { from: 'user' });
  applyEnvironment(command, env);
  return command.opts<RunFlags>();
}

describe('flags', () => {
  it('are all also variables', () => {
    const names = addRunOptions(new Command('run')).options.map(environmentName);
    expect(names).toEqual([
      'ODPTORTURE_STRATEGY',
      'ODPTORTURE_DURATION',
      'ODPTORTURE_THREADS',
      'ODPTORTURE_SEED',
      'ODPTORTURE_REPEAT',
      'ODPTORTURE_PARAM',
      'ODPTORTURE_ERA',
      'ODPTORTURE_LOCK_DEP',
      'ODPTORTURE_LOCK_STAT',
      'ODPTORTURE_LOCK_SPINS',
      'ODPTORTURE_INJECT',
      'ODPTORTURE_THRESHOLD',
      'ODPTORTURE_OUT',
      'ODPTORTURE_JSON',
      'ODPTORTURE_QUIET',
      'ODPTORTURE_VERBOSE',
      'ODPTORTURE_NO_PROGRESS',
      'ODPTORTURE_COLOR',
    ]);
  });

  it('outrank their variables, and variables the defaults', () => {
    const env = { ODPTORTURE_SEED: '7', ODPTORTURE_REPEAT: '3', ODPTORTURE_COLOR: 'never' };
    expect(flagsOf(['--seed', '9'], env)).toMatchObject({ seed: 9, repeat: 3, color: 'never' });
    expect(flagsOf([], env).seed).toBe(7);
    expect(flagsOf([]).seed).toBeUndefined();
  });

  it.each([
    ['1', true],
    ['true', true],
    ['0', false],
    ['false', false],
  ])('ODPTORTURE_JSON=%s is %s', (text, on) => {
    expect(flagsOf([], { ODPTORTURE_JSON: text }).json).toBe(on);
  });

  it('ODPTORTURE_NO_PROGRESS turns progress off, and 0 does not', () => {
    expect(flagsOf([]).progress).toBe(true);
    expect(flagsOf([], { ODPTORTURE_NO_PROGRESS: '1' }).progress).toBe(false);
    expect(flagsOf([], { ODPTORTURE_NO_PROGRESS: '0' }).progress).toBe(true);
  });

  it('are parsed to values', () => {
    const flags = flagsOf([
      '-s',
      'a,b',
      '-d',
      '1h30m',
      '--threads',
      'madvise=3,dma=0',
      '--param',
      'x=1,y=2.5',
      '--param',
      'x=9',
      '--threshold',
      'faults_per_s>9',
      '--seed',
      '0xff',
    ]);
    expect(flags).toMatchObject({
      strategy: ['a', 'b'],
      duration: 5_400_000,
      threads: { madvise: 3, dma: 0 },
      param: { x: 9, y: 2.5 },
      seed: 255,
    });
    expect(flags.threshold!.map((threshold) => threshold.text)).toEqual(['faults_per_s>9']);
  });

  it.each([
    [['--seed', '0'], /1 to 4294967295/],
    [['--seed', '4294967296'], /1 to 4294967295/],
    [['--seed', '1e3'], /1 to 4294967295/],
    [['-d', '5'], /a duration/],
    [['--threads', 'madvice=1'], /did you mean 'madvise'/],
    [['--threads', 'madvise'], /name=value/],
    [['--threads', 'madvise=64'], /0 to 63/],
    [['--param', 'x=big'], /needs a number/],
    [['--threshold', 'faults>1'], /no metric 'faults'/],
    [['-s', 'a,,b'], /names with commas/],
    [['--repeat', '0'], /1 to/],
    [['--color', 'pink'], /choices are auto, always, never/],
  ])('%j is refused', (args, reason) => {
    expect(() => flagsOf(args)).toThrow(reason);
  });

  it('a bad variable is named', () => {
    expect(() => flagsOf([], { ODPTORTURE_DURATION: 'soon' })).toThrow(/^ODPTORTURE_DURATION='soon' is invalid/);
  });
});
