/** The built page in a real Chromium, as people use it. */

import type { Browser } from "playwright-core";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { findChromium, framesOf, join, launch, loudness, visit } from "./browser";
import { Relay } from "./relay";
import { PretendServer } from "./server";

const there = findChromium() !== undefined;
if (!there) console.warn("SKIPPED: the page's browser tests need Chromium: apt-get install chromium");
if (!there && process.env.CI === "true") throw new Error("Chromium is missing: apt-get install chromium");

describe.runIf(there)("the room's page", () => {
  let browser: Browser;
  let server: PretendServer;

  beforeAll(async () => {
    browser = await launch();
  });
  afterAll(() => browser.close());
  beforeEach(async () => {
    const page = await browser.newPage();
    server = await PretendServer.start(await Relay.start(page));
  });
  afterEach(async () => {
    for (const context of browser.contexts()) await context.close();
    await server.stop();
  });

  test("two people see and hear each other", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");

    await expect.poll(() => loudness(ann.page), { timeout: 20_000 }).toBeGreaterThan(0.05);
    await expect.poll(() => loudness(bob.page), { timeout: 20_000 }).toBeGreaterThan(0.05);
    await expect.poll(() => framesOf(ann.page, "Bob"), { timeout: 20_000 }).toBeGreaterThan(5);
    await expect.poll(() => framesOf(bob.page, "Ann"), { timeout: 20_000 }).toBeGreaterThan(5);
    expect([...ann.complaints, ...bob.complaints]).toEqual([]);
  });
});
