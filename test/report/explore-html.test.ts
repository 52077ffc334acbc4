import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { createContext, runInContext } from 'node:vm';
import { describe, expect, it } from 'vitest';
import { raceHtml } from '../../src/report/explore-html.ts';
import { POINT } from '../../src/trace/points.ts';
import { SEED_STEPS, seedPicture, step } from './explore-fixture.ts';

const LABELS = [{ step: 2, tid: 0, point: POINT['section.started'], args: [2, 5, 64] as const }];
const page = (): string => raceHtml(seedPicture({ labels: LABELS }));

/** As much of an element as the page's script may use. */
class FakeElement {
  textContent = '';
  hidden = false;
  disabled = false;
  value = '';
  scrolled = 0;
  readonly classes = new Set<string>();
  readonly listeners = new Map<string, () => void>();
  readonly classList = {
    toggle: (name: string, on: boolean): void => {
      if (on) this.classes.add(name);
      else this.classes.delete(name);
    },
  };
  addEventListener(type: string, listener: () => void): void {
    this.listeners.set(type, listener);
  }
  scrollIntoView(): void {
    this.scrolled++;
  }
  click(): void {
    if (!this.disabled) this.listeners.get('click')!();
  }
}

/** Runs the page's script over elements for the ids that the page has, and no others. */
function opened(html: string, hash = '') {
  const elements = new Map<string, FakeElement>();
  for (const [, id] of html.matchAll(/ id="([^"]+)"/g)) {
    expect(elements.has(id!), `id ${id} twice`).toBe(false);
    elements.set(id!, new FakeElement());
  }
  elements.get('data')!.textContent = /id="data">(.*?)<\/script>/.exec(html)![1]!;
  const listeners = new Map<string, (event: unknown) => void>();
  const location = { hash };
  const listen = (type: string, listener: (event: unknown) => void): void => {
    listeners.set(type, listener);
  };
  const script = html.match(/<script>([\s\S]*?)<\/script>/)![1]!;
  const document = { getElementById: (id: string) => elements.get(id) ?? null, addEventListener: listen };
  runInContext(script, createContext({ document, location, window: { addEventListener: listen } }));
  const of = (id: string): FakeElement => elements.get(id)!;
  const values = (prefix: string): string[] =>
    [...elements].flatMap(([id, element]) => (new RegExp(`^${prefix}\\d+$`).test(id) ? [element.textContent] : []));
  const key = (name: string): boolean => {
    let taken = false;
    listeners.get('keydown')!({ key: name, preventDefault: () => (taken = true) });
    return taken;
  };
  const go = (to: string): void => {
    location.hash = to;
    listeners.get('hashchange')!({});
  };
  return { of, values, key, go, where: () => of('where').textContent };
}

describe('the page of a schedule', () => {
  it('is whole without a script and asks nothing of the network', () => {
    const html = page();
    expect(html).toContain('<strong>assertion</strong> count of -1');
    expect(html.match(/<tr id="s\d+"/g)).toHaveLength(SEED_STEPS.length);
    expect(html).toContain('section.started [2..5] section=64');
    expect(html).toContain("default-src 'none'");
    expect(html).not.toMatch(/(src|href)=|url\(|@import|https?:/);
    expect(html).toContain('prefers-color-scheme: dark');
    expect(html.match(/class="step( switch)? race"/g)).toHaveLength(2);
    expect(html.match(/class="step switch/g)).toHaveLength(1);
  });

  it('lets no name out of its place', () => {
    const html = raceHtml(
      seedPicture({
        steps: [step(0, 'load', 6, 1)],
        threads: ['</script><script>alert(1)//', 'b'],
        race: null,
      }),
    );
    expect(html).toContain('load &lt;b&gt;&amp;&quot;word&quot; -&gt; 1');
    expect(html).not.toContain('<b>');
    expect(html).not.toContain('<script>alert');
    expect(html.match(/<\/script>/g)).toHaveLength(2);
    expect(opened(html).values('w')).toEqual(['1']);
  });

  it('opens at the end: all has happened, words and locks as they are then', () => {
    const { of, values, where } = opened(page());
    expect(where()).toBe('step 9 of 9');
    expect(of('nav').hidden).toBe(false);
    expect(of('s8').classes).toEqual(new Set(['now']));
    expect(of('on').disabled && of('last').disabled).toBe(true);
    // in_tree, seq, count; mmap_lock, umem_mutex.
    expect(values('w')).toEqual(['1', '1', '-1']);
    expect(values('l')).toEqual(['madvise R', 'madvise W']);
    expect(of('w2').classes).toEqual(new Set(['changed']));
    expect(of('finding').classes).toEqual(new Set());
  });

  it('steps back and on with buttons and keys, and the state follows', () => {
    const { of, values, key, where } = opened(page());
    of('back').click();
    expect(where()).toBe('step 8 of 9');
    expect(values('w')).toEqual(['1', '1', '0']);
    expect(of('s8').classes).toEqual(new Set(['later']));
    expect(of('finding').classes).toEqual(new Set(['later']));
    expect(key('ArrowLeft')).toBe(true);
    expect(values('l')).toEqual(['madvise R', 'madvise W']);
    expect(key('ArrowLeft')).toBe(true);
    expect(values('l')).toEqual(['madvise R', 'free']);
    expect(key('Home')).toBe(true);
    expect(where()).toBe('before step 1');
    // What a word held at first is known from the first step that read it.
    expect(values('w')).toEqual(['0', '0', '0']);
    expect(values('l')).toEqual(['free', 'free']);
    expect(of('p0').classes).toEqual(new Set(['later']));
    expect(of('back').disabled).toBe(true);
    of('switch').click();
    expect(where()).toBe('step 3 of 9');
    expect(values('l')).toEqual(['madvise R, rdma R', 'free']);
    expect(of('s2').scrolled).toBe(1);
    expect(of('p0').classes).toEqual(new Set());
    expect(of('switch').disabled).toBe(true);
    expect(key('End')).toBe(true);
    expect(where()).toBe('step 9 of 9');
    expect(key('x')).toBe(false);
  });

  it('goes to a step that is clicked, dragged to or named in the address', () => {
    const { of, go, where } = opened(page(), '#4');
    expect(where()).toBe('step 4 of 9');
    of('s6').click();
    expect(where()).toBe('step 7 of 9');
    of('slider').value = '2';
    of('slider').listeners.get('input')!();
    expect(where()).toBe('step 2 of 9');
    go('#0');
    expect(where()).toBe('before step 1');
    go('#x');
    expect(where()).toBe('step 9 of 9');
  });

  it('keeps the values of steps that were collapsed', () => {
    const steps = [
      ...Array.from({ length: 20 }, () => step(0, 'load', 3, 0)),
      step(1, 'add', 5, 4, 1),
      ...Array.from({ length: 5 }, (_, i) => [step(0, 'load', 3, 0), step(0, 'store', 5, i, 7)]).flat(),
    ];
    const { values, key, where } = opened(raceHtml(seedPicture({ steps, race: null })));
    expect(where()).toBe('step 31 of 31');
    expect(values('w')).toEqual(['0', '7']);
    for (let i = 0; i < 3; i++) key('ArrowLeft');
    expect(where()).toBe('step 20 of 31');
    expect(values('w')).toEqual(['0', '4']);
  });
});

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) =>
  existsSync(path),
);

describe.skipIf(CHROMIUM === undefined)(`in a browser (${CHROMIUM ?? 'skipped: no chromium on this machine'})`, () => {
  const chromium = (...args: string[]): string => {
    const result = spawnSync(CHROMIUM!, ['--headless', '--no-sandbox', '--disable-gpu', '--hide-scrollbars', ...args], {
      timeout: 40_000,
      encoding: 'utf8',
    });
    expect(result.status, result.stderr).toBe(0);
    return result.stdout;
  };

  it('runs its script and takes its picture, wide and narrow', () => {
    const dir = mkdtempSync(join(tmpdir(), 'odp-page-'));
    try {
      const file = join(dir, 'race.html');
      writeFileSync(file, page());
      const url = `${pathToFileURL(file).href}#4`;
      const dom = chromium('--dump-dom', url);
      expect(dom).toMatch(/id="where"[^>]*>step 4 of 9</);
      expect(dom).toMatch(/id="s4" class="step later"/);
      for (const width of [1200, 400]) {
        const picture = join(dir, `${width}.png`);
        chromium(`--window-size=${width},900`, `--screenshot=${picture}`, url);
        expect(statSync(picture).size).toBeGreaterThan(5000);
      }
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});
