import { readFileSync } from 'node:fs';
import { availableParallelism, cpus, loadavg } from 'node:os';

/** Where a bench ran. */
export interface BenchEnvironment {
  readonly node: string;
  readonly platform: string;
  readonly cpu: string;
  /** That this process may use. */
  readonly cores: number;
  /** The frequency governor of the first core; null: there is none to read, as in most virtual machines. */
  readonly governor: string | null;
  /** Load of the last minute when the bench began: what else ran. */
  readonly loadavg: number;
  readonly commit: string | null;
  readonly version: string;
}

/** CPU time of the whole machine since it started, in ticks. */
export interface CpuTimes {
  readonly total: number;
  readonly idle: number;
  /** Time in which a hypervisor ran something else. */
  readonly steal: number;
}

const GOVERNOR = '/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor';

const read = (path: string): string | null => {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
};

export const benchEnvironment = (made: Pick<BenchEnvironment, 'commit' | 'version'>): BenchEnvironment => ({
  node: process.version,
  platform: `${process.platform}-${process.arch}`,
  cpu: cpus()[0]?.model.trim() ?? 'unknown',
  cores: availableParallelism(),
  governor: read(GOVERNOR)?.trim() ?? null,
  loadavg: loadavg()[0]!,
  ...made,
});

/** The `cpu` line of /proc/stat (proc(5)): user nice system idle iowait irq softirq steal; null where there is none. */
export function parseCpuTimes(stat: string | null): CpuTimes | null {
  const line = stat?.split('\n').find((one) => one.startsWith('cpu '));
  if (line === undefined) return null;
  // guest and guest_nice, behind them, are in user and nice already.
  const ticks = line.trim().split(/\s+/).slice(1, 9).map(Number);
  if (ticks.length < 8 || ticks.some(Number.isNaN)) return null;
  return { total: ticks.reduce((a, b) => a + b, 0), idle: ticks[3]! + ticks[4]!, steal: ticks[7]! };
}

export const cpuTimes = (): CpuTimes | null => parseCpuTimes(read('/proc/stat'));

/** What the machine and this process have used so far. */
export interface CpuReading {
  readonly machine: CpuTimes | null;
  /** Of this process, microseconds. */
  readonly own: number;
}

export function readCpu(): CpuReading {
  const { user, system } = process.cpuUsage();
  return { machine: cpuTimes(), own: user + system };
}

/** Ticks of /proc/stat: USER_HZ, 100 a second on every Linux that Node runs on. */
const TICK_US = 10_000;

/**
 * What part of the machine's time between two readings went to other processes, the hypervisor's part not counted; null: it cannot be
 * known. A bench beside others is a bench of the scheduler.
 */
export function othersShare(before: CpuReading, after: CpuReading): number | null {
  const [from, to] = [before.machine, after.machine];
  if (from === null || to === null || to.total <= from.total) return null;
  const busy = to.total - from.total - (to.idle - from.idle) - (to.steal - from.steal);
  return Math.max(0, busy - (after.own - before.own) / TICK_US) / (to.total - from.total);
}

/** What part of the time between two readings a hypervisor took away; null: it cannot be known. */
export function stealShare(before: CpuTimes | null, after: CpuTimes | null): number | null {
  if (before === null || after === null || after.total <= before.total) return null;
  return (after.steal - before.steal) / (after.total - before.total);
}
