import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chartLibrary } from '../../src/cli/report.ts';
import { benchHtml } from '../../src/report/bench-html.ts';
import { CHROMIUM, HAS_CHROMIUM, launchChromium, openPage } from '../browser/opened-page.ts';
import { syntheticBench } from './synthetic.ts';

describe.skipIf(!HAS_CHROMIUM)(`a bench's page in a browser (skipped where there is no ${CHROMIUM})`, () => {
  let root: string;
  let url: string;
  let browser: Browser;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'odptorture-bench-page-'));
    const file = join(root, 'report.html');
    writeFileSync(file, benchHtml(await syntheticBench(), chartLibrary()));
    url = pathToFileURL(file).href;
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  it.each([
    ['light', 1280],
    ['dark', 390],
  ] as const)('is drawn in %s at %i pixels, without a request, an error or a scroll bar below it', async (colorScheme, width) => {
    const { page, complaints } = await openPage(browser, url, { viewport: { width, height: 900 }, colorScheme });
    // Every picture has more on it than its ground: some pixels that differ from the first.
    const flat = await page.evaluate(`[...document.querySelectorAll('canvas')].filter((canvas) => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
      const colours = new Set();
      for (let i = 0; i < data.length && colours.size < 12; i += 4) colours.add(data[i] + ',' + data[i + 1] + ',' + data[i + 2] + ',' + data[i + 3]);
      return colours.size < 12;
    }).length`);
    expect(flat).toBe(0);
    // Bars without a script: each as wide as it is to be, and inside of its track.
    const bars = (await page.evaluate(`[...document.querySelectorAll('.ratio .interval, .ratio .bar')].map((bar) => {
      const [own, track] = [bar, bar.parentElement].map((one) => one.getBoundingClientRect());
      return { width: own.width, left: own.left - track.left, right: track.right - own.right, height: own.height };
    })`)) as { width: number; left: number; right: number; height: number }[];
    expect(bars.length).toBeGreaterThan(20);
    for (const bar of bars) {
      expect(Math.min(bar.left, bar.right)).toBeGreaterThan(-0.5);
      expect(Math.min(bar.width, bar.height)).toBeGreaterThan(1);
    }
    await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true;');
    expect(await page.evaluate('document.documentElement.scrollWidth - innerWidth')).toBeLessThanOrEqual(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
