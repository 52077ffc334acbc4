import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { Browser, Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readReport, writeReport } from '../../src/cli/report.ts';
import { writeSoak } from '../report/soak-fixture.ts';
import { CHROMIUM, HAS_CHROMIUM, launchChromium, type OpenedPage, openPage } from './opened-page.ts';

const WIDE = 1280;
const PHONE = 390;
const SCHEMES = [
  ['light', 'rgb(255, 255, 255)'],
  ['dark', 'rgb(20, 23, 26)'],
] as const;
const POLL = { timeout: 20_000 };

// `ODPTORTURE_SCREENSHOTS=dir` keeps pictures of the whole page, for people.
describe.skipIf(!HAS_CHROMIUM)(`the page in a browser (skipped where there is no ${CHROMIUM})`, () => {
  let root: string;
  let url: string;
  let browser: Browser;
  beforeAll(async () => {
    root = mkdtempSync(join(tmpdir(), 'odptorture-page-'));
    writeSoak({ dir: root, minutes: 10, signatures: 5, surprise: true });
    url = pathToFileURL(writeReport(readReport(root, root), root)).href;
    browser = await launchChromium();
  });
  afterAll(async () => {
    await browser?.close();
    rmSync(root, { recursive: true, force: true });
  });

  const open = (width: number): Promise<OpenedPage> => openPage(browser, url, { viewport: { width, height: 900 } });

  async function picture(page: Page, name: string): Promise<void> {
    const keep = process.env.ODPTORTURE_SCREENSHOTS ?? '';
    const png = await page.screenshot({ fullPage: keep !== '' });
    expect(png.subarray(1, 4).toString()).toBe('PNG');
    if (keep === '') return;
    mkdirSync(keep, { recursive: true });
    writeFileSync(join(keep, `${name}.png`), png);
  }

  /** Where an element is in the window, into which it is scrolled. */
  async function boxOf(element: Locator): Promise<{ x: number; y: number; width: number; height: number }> {
    await element.scrollIntoViewIfNeeded();
    return (await element.boundingBox())!;
  }

  /** By how much the page is wider than its window. */
  const overflow = (page: Page): Promise<unknown> =>
    page.evaluate('Math.max(0, document.documentElement.scrollWidth - innerWidth)');
  /** Pixels of each canvas that are drawn on. */
  const inked = (page: Page): Promise<number[]> =>
    page.evaluate(`[...document.querySelectorAll('canvas')].map((canvas) => {
      // A copy: reading the page's own twice makes it slow, and Chromium says so.
      const context = new OffscreenCanvas(canvas.width, canvas.height).getContext('2d');
      context.drawImage(canvas, 0, 0);
      const { data } = context.getImageData(0, 0, canvas.width, canvas.height);
      let n = 0;
      for (let i = 3; i < data.length; i += 4) if (data[i] > 0) n++;
      return n;
    })`) as Promise<number[]>;

  it.each([
    WIDE,
    PHONE,
  ])('is drawn at %i pixels, in light and dark, without a request, an error or a scroll bar below it', async (width) => {
    const { page, complaints } = await open(width);
    const stroke = 'document.querySelector(".u-legend tr:nth-child(2) .u-marker").style.borderColor';
    const strokes = new Set<unknown>();
    for (const [colorScheme, back] of SCHEMES) {
      await page.emulateMedia({ colorScheme });
      // The charts follow the system; their canvases have no style sheet.
      await expect.poll(() => page.evaluate(stroke), POLL).not.toBe([...strokes][0]);
      strokes.add(await page.evaluate(stroke));
      expect(await page.evaluate('getComputedStyle(document.body).backgroundColor')).toBe(back);
      await expect.poll(async () => (await inked(page)).length, POLL).toBeGreaterThanOrEqual(9);
      // Axes and grid are some thousands of pixels; nothing that is empty has more.
      for (const pixels of await inked(page)) expect(pixels).toBeGreaterThan(1500);
      await picture(page, `${colorScheme}-${width}`);
    }
    expect(await overflow(page)).toBe(0);
    await page.evaluate('for (const one of document.querySelectorAll("details")) one.open = true;');
    expect(await overflow(page)).toBe(0);
    expect(complaints).toEqual([]);
    await page.context().close();
  });

  it('shows the figures under the pointer, and zooms, in all charts at once', async () => {
    const { page, complaints } = await open(WIDE);
    const box = await boxOf(page.locator('.u-over').first());
    await page.mouse.move(box.x + box.width / 2, box.y + box.height / 2);
    const values = '[...document.querySelectorAll(".u-legend tr:first-child .u-value")].map((e) => e.textContent)';
    // Five minutes of ten, give or take a point.
    await expect
      .poll(async () => ((await page.evaluate(values)) as string[]).filter((time) => !/^(04|05):/.test(time)), POLL)
      .toEqual([]);
    const before = await inked(page);
    const drag = await boxOf(page.locator('.u-over').nth(1));
    await page.mouse.move(drag.x + drag.width * 0.25, drag.y + 20);
    await page.mouse.down();
    await page.mouse.move(drag.x + drag.width * 0.3, drag.y + 30, { steps: 4 });
    await page.mouse.up();
    // At the left end is the time where the drag began, a quarter.
    const edge = await boxOf(page.locator('.u-over').last());
    await page.mouse.move(edge.x + 2, edge.y + 20);
    const first = 'document.querySelector(".chart:last-child .u-legend .u-value").textContent';
    await expect.poll(() => page.evaluate(first), POLL).toMatch(/^02:/);
    expect(await inked(page)).not.toEqual(before);
    expect(complaints).toEqual([]);
    await page.context().close();
  });
});
