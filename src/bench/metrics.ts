/** A figure of a cell: what it is called, in which unit, and which way is better. */
export interface Metric {
  readonly title: string;
  readonly unit: 'ns' | '/s' | 'share' | 'count' | 'ratio';
  readonly better: 'higher' | 'lower' | 'neither';
}

/** By its name in bench.json. */
export const METRICS = {
  nsPerOp: { title: 'time of one operation', unit: 'ns', better: 'lower' },
  cpuNsPerOp: { title: 'CPU time of one operation, all threads together', unit: 'ns', better: 'lower' },
  opsPerSec: { title: 'operations', unit: '/s', better: 'higher' },
  readsPerSec: { title: 'reads', unit: '/s', better: 'neither' },
  writesPerSec: { title: 'writes', unit: '/s', better: 'neither' },
  waitP50: { title: 'time to get the lock, p50', unit: 'ns', better: 'lower' },
  waitP99: { title: 'time to get the lock, p99', unit: 'ns', better: 'lower' },
  waitP999: { title: 'time to get the lock, p99.9', unit: 'ns', better: 'lower' },
  faultsPerSec: { title: 'page faults served', unit: '/s', better: 'higher' },
  faultP50: { title: 'page fault, p50', unit: 'ns', better: 'lower' },
  faultP99: { title: 'page fault, p99', unit: 'ns', better: 'lower' },
  sectionsPerSec: { title: 'sections', unit: '/s', better: 'higher' },
  invalidateP50: { title: 'madvise, p50', unit: 'ns', better: 'lower' },
  invalidateP99: { title: 'madvise, p99', unit: 'ns', better: 'lower' },
  registrationsPerSec: { title: 'registrations', unit: '/s', better: 'higher' },
  registerP50: { title: 'registration, p50', unit: 'ns', better: 'lower' },
  registerP99: { title: 'registration, p99', unit: 'ns', better: 'lower' },
  refaultsPerSec: { title: 'madvise and refault', unit: '/s', better: 'higher' },
  refaultNs: { title: 'madvise of a page and its refault, thread time', unit: 'ns', better: 'lower' },
  speedup: { title: 'operations, to those of one of the threads alone', unit: 'ratio', better: 'higher' },
  growth: { title: 'time, to that with the fewest umems', unit: 'ratio', better: 'lower' },
  cpuGrowth: {
    title: 'CPU time of one operation, to that of the cell it is held against',
    unit: 'ratio',
    better: 'lower',
  },
  retriesPerFault: { title: 'refused attempts a fault', unit: 'count', better: 'lower' },
  retriesMax: { title: 'most refused attempts of one fault', unit: 'count', better: 'lower' },
  starved: { title: 'faults that waited until the time-out', unit: 'count', better: 'lower' },
  lockWait: { title: "part of the threads' time spent waiting for locks", unit: 'share', better: 'lower' },
  maxMin: { title: 'operations of the busiest thread to those of the idlest', unit: 'count', better: 'lower' },
} as const satisfies Readonly<Record<string, Metric>>;

export type MetricName = keyof typeof METRICS;
export const METRIC_NAMES = Object.keys(METRICS) as readonly MetricName[];
export const isMetric = (name: string): name is MetricName => Object.hasOwn(METRICS, name);

/** What a group of cells is judged by, in this order; the first is its main figure. */
export const GROUP_METRICS: Readonly<Record<string, readonly MetricName[]>> = {
  primitives: ['nsPerOp'],
  locks: ['opsPerSec', 'cpuNsPerOp', 'waitP50', 'waitP99', 'maxMin'],
  load: [
    'faultsPerSec',
    'faultP50',
    'faultP99',
    'sectionsPerSec',
    'invalidateP99',
    'retriesPerFault',
    'retriesMax',
    'starved',
    'lockWait',
  ],
  register: ['registrationsPerSec', 'registerP50', 'registerP99', 'sectionsPerSec', 'invalidateP99', 'lockWait'],
  refault: ['refaultNs', 'growth', 'cpuNsPerOp', 'cpuGrowth'],
  scaling: ['refaultsPerSec', 'speedup', 'refaultNs', 'cpuNsPerOp', 'cpuGrowth', 'lockWait', 'maxMin'],
  observing: ['refaultNs', 'cpuNsPerOp'],
};
