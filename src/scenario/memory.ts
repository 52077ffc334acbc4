import { MAX_FRAMES } from '../hca/device.ts';
import type { Pressure } from '../mm/mm.ts';
import type { Issue } from './errors.ts';
import { litmusFiles } from './litmus.ts';
import type { LoadedScenario } from './load.ts';
import type { AreaPlan, MemoryPlan } from './plan.ts';

/** Frames on top of what the pages need: each thread may hold a gather batch and a magazine of free ones. */
const FRAMES_PER_THREAD = 64;
/** Frames that the allocator adds for each thread's magazine; they count against the limit of the device's entries. */
const MAGAZINE_FRAMES = 16;

/** Lays the memory of a scenario out, with all that was left to defaults. `threads` is the number of threads of the cell. */
export function memoryPlan(loaded: LoadedScenario, threads: number): MemoryPlan {
  const { scenario } = loaded;
  const { pages, mms } = scenario.memory;
  const files = scenario.kind === 'load' ? scenario.memory.files : Object.values(scenario.files);
  const areas = areaPlans(loaded);
  const filePages = files.reduce((sum, file) => sum + file.pages, 0);
  return {
    mms,
    pages,
    frames:
      scenario.memory.frames ??
      Math.min(mms * pages + filePages + FRAMES_PER_THREAD * threads, MAX_FRAMES - 1 - MAGAZINE_FRAMES * threads),
    files: files.map((file) => ({ pages: file.pages })),
    areas,
    // A VMA has at least one page, so an address space cannot hold more; each thread may own one that is being split.
    pressure: pressurePlan(loaded),
    vmas: scenario.memory.vmas ?? Math.min(mms * pages, 8192) + areas.length + 16 * threads,
  };
}

/** A litmus names the range that an allocation takes back, so that it is the same one each time; a load takes what comes. */
function pressurePlan({ scenario }: LoadedScenario): Pressure | null {
  if (scenario.kind === 'load') {
    const oneIn = scenario.memory.pressure;
    return oneIn === undefined ? null : { oneIn, range: null };
  }
  const range = scenario.ranges[scenario.memory.pressure ?? ''];
  if (range === undefined) return null;
  return { oneIn: 1, range: { mm: range.mm, start: range.at, last: range.at + range.pages - 1 } };
}

function areaPlans({ scenario }: LoadedScenario): AreaPlan[] {
  const { memory } = scenario;
  if (memory.areas === undefined)
    return Array.from({ length: memory.mms }, (_, mm) => ({
      mm,
      at: 0,
      pages: memory.pages,
      file: -1,
      offset: 0,
      writable: true,
    }));
  const names = scenario.kind === 'litmus' ? litmusFiles(scenario) : [];
  return memory.areas.map((area) => ({
    mm: area.mm,
    at: area.at,
    pages: area.pages,
    file: area.file === undefined ? -1 : typeof area.file === 'string' ? names.indexOf(area.file) : area.file,
    offset: area.offset ?? 0,
    writable: !area.readonly,
  }));
}

/** Checks across members: areas inside their address space and file, none over another; frames enough. */
export function checkMemory(loaded: LoadedScenario, plan: MemoryPlan, threads: number): Issue[] {
  const issues: Issue[] = [];
  plan.areas.forEach((area, i) => {
    const message = areaProblem(loaded, plan, area, i);
    if (message !== null) issues.push({ code: 'ODP_E_AREA', message, at: loaded.locate(['memory', 'areas', i]) });
  });
  const filePages = plan.files.reduce((sum, file) => sum + file.pages, 0);
  const areaPages = plan.areas.reduce((sum, area) => sum + (area.file < 0 ? area.pages : 0), 0);
  const least = filePages + Math.min(areaPages, 16) + threads;
  if (plan.frames < least)
    issues.push({
      code: 'ODP_E_FRAMES',
      message:
        `memory too small: ${plan.frames} frames, at least ${least} are needed ` +
        `(${filePages} for the files, ${Math.min(areaPages, 16)} for anonymous pages, ${threads} for the threads)`,
      at: loaded.locate(['memory', 'frames']),
    });
  return issues;
}

function areaProblem(loaded: LoadedScenario, plan: MemoryPlan, area: AreaPlan, i: number): string | null {
  const written = loaded.scenario.memory.areas?.[i];
  if (area.mm >= plan.mms) return `area ${i} is in mm ${area.mm}, but there are ${plan.mms} (0 to ${plan.mms - 1})`;
  if (area.at + area.pages > plan.pages)
    return `area ${i} is pages ${area.at}..${area.at + area.pages - 1}, the address space has ${plan.pages} pages`;
  if (written?.kind === 'file') {
    if (written.file === undefined) return `area ${i} is of kind file and needs 'file'`;
    const file = plan.files[area.file];
    if (file === undefined) return `area ${i} shows file ${written.file}, but there are ${plan.files.length} files`;
    if (area.offset + area.pages > file.pages)
      return `area ${i} shows pages ${area.offset}..${area.offset + area.pages - 1} of a file of ${file.pages} pages`;
  } else if (written !== undefined && (written.file !== undefined || written.offset !== undefined))
    return `area ${i} is anonymous and cannot have 'file' or 'offset'`;
  for (let j = 0; j < i; j++) {
    const other = plan.areas[j]!;
    if (other.mm === area.mm && other.at < area.at + area.pages && area.at < other.at + other.pages)
      return `area ${i} (pages ${area.at}..${area.at + area.pages - 1}) overlaps area ${j} (pages ${other.at}..${other.at + other.pages - 1})`;
  }
  return null;
}
