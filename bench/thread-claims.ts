/** Eras of every table: the patch, held rwsem, interval notifiers, VMA locks. */
export const THREAD_ERAS = ['v3.19', 'v4.20', 'v5.5', 'v6.17'] as const;

/** Designs that are run together; `params` are theirs. */
export interface Group {
  readonly strategies: readonly string[];
  readonly params?: Readonly<Record<string, number>>;
  readonly inject?: string;
}

export interface ClaimScenario {
  /** Under scenarios/thread, or another shipped scenario. */
  readonly name: string;
  readonly groups: readonly Group[];
  /** Exposures that say how often the window was open. */
  readonly exposures: readonly string[];
  /** Where not all are asked: loads, and three threads of madvise, of which only the oldest and the newest kernel differ. */
  readonly eras?: readonly string[];
}

/** A design under one scenario, by the label of its row. */
export interface Subject {
  readonly scenario: string;
  readonly label: string;
}

/**
 * What the claim says about some designs, as a question to the results:
 * - `breaks`: each of them shows one of the oracles;
 * - `safe`: none of them shows any, and each was searched or exposed;
 * - `costs`: the first pays more retries for a commit than the second, at least twice as many, or starves;
 * - `rate`: how often the oracles fire for each of the exposure.
 */
export type Question =
  | { readonly kind: 'breaks'; readonly subjects: readonly Subject[]; readonly oracles: readonly string[] }
  | { readonly kind: 'safe'; readonly subjects: readonly Subject[]; readonly except?: readonly string[] }
  | { readonly kind: 'costs'; readonly dear: Subject; readonly cheap: Subject }
  | {
      readonly kind: 'rate';
      readonly subject: Subject;
      readonly oracles: readonly string[];
      readonly exposure: string;
    };

export interface Claim {
  readonly id: string;
  /** A few words of the mail. */
  readonly words: string;
  readonly who: string;
  /** What the claim says, as it was put to the machine. */
  readonly asks: string;
  readonly scenarios: readonly ClaimScenario[];
  readonly question: Question;
  /** What the result means; it names no numbers and no verdict. */
  readonly meaning: string;
  /** The cell of which the shortest timeline is shown, if it has one. */
  readonly timeline?: Subject & { readonly era: string };
}

const TWO_ERAS = ['v3.19', 'v6.17'];
const IN_SECTION = ['register-in-section', 'fault-in-section'];
const STALE = ['entry-in-section', 'stale-dma', 'stale-mapping', 'data-corruption'];
/** The row of a design with parameters, or with something that is made to fail. */
export const labelOf = (strategy: string, { params, inject }: Group): string =>
  [
    strategy,
    ...Object.entries(params ?? {}).map(([name, value]) => `${name}=${value}`),
    ...(inject === undefined ? [] : [inject]),
  ].join(' ');

const of = (scenario: string, ...labels: string[]): Subject[] => labels.map((label) => ({ scenario, label }));

const CLAIMS_OF_RAINDEL = 'Shachar Raindel';
const CLAIMS_OF_GLISSE = 'Jerome Glisse';

export const CLAIMS: readonly Claim[] = [
  {
    id: 'count-of-minus-one',
    words: 'a "running notifiers count of -1, which is bad"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'A region that is born inside a section counts to -1, and something bad comes of it: a page is reached after it was freed.',
    scenarios: [
      {
        name: 'count-of-minus-one',
        groups: [
          {
            strategies: [
              'private-count',
              'private-count-clamped',
              'mmap-write',
              'deferred-activation',
              'held-rwsem',
              'interval-notifier',
            ],
          },
        ],
        exposures: [...IN_SECTION, 'clamp-hit'],
      },
    ],
    question: {
      kind: 'breaks',
      subjects: of('count-of-minus-one', 'private-count'),
      oracles: ['counter-underflow', ...STALE],
    },
    meaning:
      'The number itself hurts nobody. With -1 faults are refused until another section comes; that section brings the count to 0 as it starts, and 0 is the value at which faults are let through. So the region is closed when it should be open, and open when it should be closed.',
    timeline: { scenario: 'count-of-minus-one', label: 'private-count', era: 'v3.19' },
  },
  {
    id: 'never-below-zero',
    words: 'to "avoid decreasing" below zero "can cause other issues"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'With the clamp there is no -1 any more, and faults still map pages that are being taken away.',
    scenarios: [
      {
        name: 'never-below-zero',
        groups: [{ strategies: ['private-count-clamped', 'mmap-write', 'pool-overflow', 'range-stack', 'held-rwsem'] }],
        exposures: [...IN_SECTION, 'overlapping-sections', 'clamp-hit'],
        eras: TWO_ERAS,
      },
    ],
    question: { kind: 'breaks', subjects: of('never-below-zero', 'private-count-clamped'), oracles: STALE },
    meaning:
      'A count that may be wrong by one in either direction is wrong in the direction that matters as soon as two sections overlap: the end that should have been ignored takes away what the other start has counted. Clamping hides the symptom and keeps the cause.',
    timeline: { scenario: 'never-below-zero', label: 'private-count-clamped', era: 'v3.19' },
  },
  {
    id: 'read-is-not-enough',
    words: 'mmap_sem "in read-only mode does not prevent" it',
    who: CLAIMS_OF_RAINDEL,
    asks: 'Registration under mmap_lock for reading is not kept out of a madvise, and a fault of the new region maps a page that is freed.',
    scenarios: [
      {
        name: 'read-is-not-enough',
        groups: [
          {
            strategies: ['private-count', 'private-count-clamped', 'mmap-write', 'take-all-locks', 'interval-notifier'],
          },
        ],
        exposures: IN_SECTION,
      },
    ],
    question: {
      kind: 'breaks',
      subjects: of('read-is-not-enough', 'private-count', 'private-count-clamped'),
      oracles: STALE,
    },
    meaning:
      'Two readers of one lock do not exclude each other. Glisse had first held that the lock for reading serializes munmap, which it does; madvise he had not counted.',
    timeline: { scenario: 'read-is-not-enough', label: 'private-count-clamped', era: 'v3.19' },
  },
  {
    id: 'write-is-enough',
    words: '"This is enough"',
    who: CLAIMS_OF_GLISSE,
    asks: 'With mmap_lock held for writing around the registration no madvise and no munmap of anonymous memory harms a region.',
    scenarios: [
      {
        name: 'write-is-enough',
        groups: [
          { strategies: ['mmap-write', 'private-count-clamped', 'take-all-locks', 'held-rwsem', 'interval-notifier'] },
        ],
        exposures: [...IN_SECTION, 'clamp-hit'],
      },
    ],
    question: { kind: 'safe', subjects: of('write-is-enough', 'mmap-write') },
    meaning:
      'It was right about the kernel that it was said of, and it rested on a property that nobody had promised: that every section of the process itself holds mmap_lock. With locks for each VMA that is no longer so, and a registration would have to take those, too.',
    timeline: { scenario: 'write-is-enough', label: 'mmap-write', era: 'v6.17' },
  },
  {
    id: 'write-is-not-enough',
    words: '"the mmap_sem is not enough to protect us"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'There are sections of anonymous memory that mmap_lock for writing does not keep out: reclaim.',
    scenarios: [
      {
        name: 'write-is-not-enough',
        groups: [
          {
            strategies: ['mmap-write', 'private-count-clamped', 'take-all-locks', 'held-rwsem', 'interval-notifier'],
          },
        ],
        exposures: [...IN_SECTION, 'clamp-hit'],
      },
    ],
    question: { kind: 'breaks', subjects: of('write-is-not-enough', 'mmap-write'), oracles: STALE },
    meaning:
      'Whoever comes through the reverse map holds the folio lock and the lock of the anon_vma, and no mmap_lock. As long as reclaim told the notifier in one call, behind the clearing of the entry, there was nothing between a start and an end; since it opens a section there is.',
    timeline: { scenario: 'write-is-not-enough', label: 'mmap-write', era: 'v5.5' },
  },
  {
    id: 'file-case',
    words: '"the file case is fine"',
    who: CLAIMS_OF_GLISSE,
    asks: 'What mmap_lock for writing does not keep out is about files, and there the page cache keeps the fault from harm.',
    scenarios: ['file-case-truncate', 'file-case-punch-hole'].map((name) => ({
      name,
      groups: [
        { strategies: ['mmap-write', 'private-count-clamped', 'take-all-locks', 'range-stack', 'interval-notifier'] },
      ],
      exposures: [...IN_SECTION, 'truncate-in-fault', 'clamp-hit'],
    })),
    question: {
      kind: 'safe',
      subjects: [...of('file-case-truncate', 'mmap-write'), ...of('file-case-punch-hole', 'mmap-write')],
    },
    meaning:
      'The fault goes through the page cache only where the page table has no entry. Between the start of a section and the clearing it still has one, and nobody asks the cache. Truncate repairs that by its second pass, so that what is stale is stale for a while; a hole punch has no second pass.',
    timeline: { scenario: 'file-case-punch-hole', label: 'mmap-write', era: 'v3.19' },
  },
  {
    id: 'pool-blocks',
    words: '"what guarantees you that this will not cause a deadlock?"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'A start that waits for a slot of a pool can wait for ever.',
    scenarios: [
      {
        name: 'pool-blocks',
        groups: [
          { strategies: ['range-pool'], params: { size: 1 } },
          { strategies: ['range-pool'], params: { size: 2 } },
          { strategies: ['range-pool', 'range-stack', 'pool-overflow'] },
        ],
        exposures: ['nested-section', 'overlapping-sections', 'pool-full'],
      },
    ],
    question: { kind: 'breaks', subjects: of('pool-blocks', 'range-pool size=1'), oracles: ['deadlock'] },
    meaning:
      'One thread that nests is enough. In this model only mremap and fork allocate inside a section, both with mmap_lock for writing, so that one thread of a process at most holds a slot while it wants a second; the others end without one. A slot and a lock of the reverse map can be waited for in a circle, too (docs/findings.md). Nothing in the design forbids either: the guarantee that was asked for is a property of all callers. Where `lock-order` stands without `deadlock`, lock-dep sees that a slot is waited for under fs_reclaim and that fs_reclaim is entered with a slot, and no schedule here closes the circle.',
    timeline: { scenario: 'pool-blocks', label: 'range-pool size=1', era: 'v3.19' },
  },
  {
    id: 'allocation-fails',
    words: 'failing allocation, "the solution to which is unclear to me"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'A start that allocates and cannot fail has no right answer when the allocation fails.',
    scenarios: [
      {
        name: 'allocation-fails',
        groups: [
          { strategies: ['range-alloc'], params: { failEvery: 1 } },
          { strategies: ['range-alloc'], inject: 'failslab:fail-nth=1,task-filter=T1' },
          { strategies: ['range-alloc', 'range-pool', 'range-stack'] },
        ],
        exposures: ['fault-in-section', 'unlisted-section'],
      },
    ],
    question: { kind: 'breaks', subjects: of('allocation-fails', 'range-alloc failEvery=1'), oracles: STALE },
    meaning:
      'Without its range the section is invisible to faults, and one such section is enough. The answers that the kernel found later are starts that may refuse (but only callers that do not block take a refusal), and a range that the caller brings along.',
    timeline: { scenario: 'allocation-fails', label: 'range-alloc failEvery=1', era: 'v3.19' },
  },
  {
    id: 'allocation-sleeps',
    words: 'an allocation in the start callback',
    who: CLAIMS_OF_RAINDEL,
    asks: 'A start that allocates and may wait for memory can deadlock.',
    scenarios: [
      {
        name: 'allocation-sleeps',
        groups: [
          { strategies: ['range-alloc'], params: { sleeps: 1 } },
          { strategies: ['range-alloc', 'range-stack'] },
        ],
        exposures: ['nested-section', 'fault-in-section'],
      },
    ],
    question: {
      kind: 'breaks',
      subjects: of('allocation-sleeps', 'range-alloc sleeps=1'),
      oracles: ['lock-order', 'deadlock'],
    },
    meaning:
      'What lock-dep reports is the circle of the allocation: reclaim begins sections, so that start runs under fs_reclaim, and here fs_reclaim is entered in start. The kernel says the same of every start callback since it marks them (mmu_notifier_invalidate_range_start_map). Where `lock-order` stands without `deadlock`, no schedule of this scenario closes the circle.',
    timeline: { scenario: 'allocation-sleeps', label: 'range-alloc sleeps=1', era: 'v3.19' },
  },
  {
    id: 'stack-instead-of-pool',
    words: '"use the stack that will solve this and avoid a pool"',
    who: CLAIMS_OF_GLISSE,
    asks: 'Ranges on the stacks of the callers need no pool, do not block when sections nest, and are safe.',
    scenarios: [
      {
        name: 'stack-instead-of-pool',
        groups: [
          { strategies: ['range-stack', 'range-listed-late', 'range-pool', 'range-alloc'] },
          { strategies: ['range-pool'], params: { size: 1 } },
        ],
        exposures: ['nested-section', ...IN_SECTION, 'pool-full'],
      },
    ],
    question: { kind: 'safe', subjects: of('stack-instead-of-pool', 'range-stack') },
    meaning:
      'The caller has memory for its own range, whatever happens, and takes off the list what it put on. What it costs is a change to every caller. The order matters, and the first two versions of the series had it wrong: the range must be listed before the callbacks run (`range-listed-late` is that mistake).',
    timeline: { scenario: 'stack-instead-of-pool', label: 'range-listed-late', era: 'v3.19' },
  },
  {
    id: 'all-locks-would-do',
    words: 'all locks on the MM: "blocks all possible notifiers"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'With mm_take_all_locks around the registration an unclamped count is right, whoever drives the section.',
    scenarios: [
      {
        name: 'all-locks-would-do',
        groups: [{ strategies: ['take-all-locks', 'mmap-write', 'private-count', 'vma-lock-missed'] }],
        exposures: ['register-in-section', 'register-meets-section', 'fault-in-section'],
      },
    ],
    question: { kind: 'safe', subjects: of('all-locks-would-do', 'take-all-locks') },
    meaning:
      'It holds as long as every section lies wholly inside one of the locks, which is a property of the callers again: `vma-lock-missed` is the same design in a kernel that has locks for each VMA and forgets to take them. The price is paid by everybody else: see what a registration costs under [load](#one-count-degrades).',
    timeline: { scenario: 'all-locks-would-do', label: 'mmap-write', era: 'v5.5' },
  },
  {
    id: 'read-once-registered',
    words: '"once you register you only need" mmap_sem for reading',
    who: CLAIMS_OF_GLISSE,
    asks: 'On a region that is there before every section faults are safe under mmap_lock for reading, under every design, the first patch included.',
    scenarios: [
      {
        name: 'read-once-registered',
        groups: [
          {
            strategies: [
              'private-count',
              'private-count-clamped',
              'context-count',
              'range-stack',
              'interval-notifier',
              'late-sample',
            ],
          },
        ],
        exposures: ['fault-in-section', 'fault-across-section'],
      },
    ],
    question: {
      kind: 'safe',
      subjects: of(
        'read-once-registered',
        'private-count',
        'private-count-clamped',
        'context-count',
        'range-stack',
        'interval-notifier',
      ),
    },
    meaning:
      'The whole quarrel is about a birth. What protects a fault afterwards is the sample before the page is got and the look under the umem mutex before it is mapped; mmap_lock only keeps the VMA in place. With the sample taken too late (`late-sample`) the same lock protects nothing.',
    timeline: { scenario: 'read-once-registered', label: 'late-sample', era: 'v3.19' },
  },
  {
    id: 'pool-with-fallback',
    words: 'a pool, and "once it is full" a count for the MM',
    who: CLAIMS_OF_RAINDEL,
    asks: 'A pool of X ranges with a count of the rest is safe for every X.',
    scenarios: [
      {
        name: 'pool-with-fallback',
        groups: [
          { strategies: ['pool-overflow'], params: { size: 0 } },
          { strategies: ['pool-overflow'], params: { size: 1 } },
          { strategies: ['pool-overflow', 'private-count-clamped'] },
        ],
        exposures: [...IN_SECTION, 'overlapping-sections', 'pool-overflow'],
        eras: TWO_ERAS,
      },
    ],
    question: {
      kind: 'safe',
      subjects: of('pool-with-fallback', 'pool-overflow size=0', 'pool-overflow size=1', 'pool-overflow'),
    },
    meaning:
      'Nobody built it. It works, with two conditions that are not in the mail: an end that finds a slot with its range must take that one, and a region that begins to count must move its sequence. What X is chosen for is time, not safety.',
    timeline: { scenario: 'pool-with-fallback', label: 'private-count-clamped', era: 'v3.19' },
  },
  {
    id: 'one-count-degrades',
    words: 'a "per-process counter": "possible performance degradation"',
    who: CLAIMS_OF_RAINDEL,
    asks: 'One count for the whole process refuses faults that no section is in the way of.',
    scenarios: [
      {
        name: 'one-count-degrades',
        groups: [
          {
            strategies: [
              'context-count',
              'range-stack',
              'pool-overflow',
              'deferred-activation',
              'take-all-locks',
              'held-rwsem',
              'interval-notifier',
              'range-union',
            ],
          },
          { strategies: ['pool-overflow'], params: { size: 0 } },
        ],
        exposures: [...IN_SECTION, 'overlapping-sections'],
        eras: ['v5.5'],
      },
    ],
    question: {
      kind: 'costs',
      dear: { scenario: 'one-count-degrades', label: 'context-count' },
      cheap: { scenario: 'one-count-degrades', label: 'range-stack' },
    },
    meaning:
      'Where sections follow each other without a gap the count of the process is never 0, whatever memory they are about. Designs that wait for such a gap with something else than a fault (a registration, the removal of a region) pay there.',
  },
  {
    id: 'highly-unlikely',
    words: '"highly unlikely"',
    who: 'the patch',
    asks: 'How often does the race end with a page that the device should not reach?',
    scenarios: [
      {
        name: 'highly-unlikely',
        groups: [{ strategies: ['private-count', 'private-count-clamped', 'mmap-write', 'interval-notifier'] }],
        exposures: IN_SECTION,
        eras: ['v3.19'],
      },
      {
        name: 'seed',
        groups: [{ strategies: ['private-count', 'private-count-clamped', 'mmap-write', 'interval-notifier'] }],
        exposures: [...IN_SECTION, 'truncate-in-fault'],
        eras: ['v3.19'],
      },
    ],
    question: {
      kind: 'rate',
      subject: { scenario: 'highly-unlikely', label: 'private-count-clamped' },
      oracles: ['entry-in-section'],
      exposure: 'register-in-section',
    },
    meaning:
      'A rate is a property of a load. `highly-unlikely` does nothing to help the race; `seed` delays threads inside sections and keeps all of them on few pages. Nobody who attacks a machine takes the first one.',
  },
];
