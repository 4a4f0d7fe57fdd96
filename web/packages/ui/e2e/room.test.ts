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

  test("a name and Enter are enough to join, and the controls can be reached by keyboard", async () => {
    const { page } = await visit(browser, `${server.url}/hello`);
    await expect.poll(() => page.evaluate(() => document.activeElement?.id)).toBe("name");
    await page.keyboard.type("Ann");
    await page.keyboard.press("Enter");
    await page.getByTestId("leave").waitFor();
    await page.getByTestId("mic").focus();
    await page.keyboard.press("Space");

    await expect.poll(() => page.getByTestId("mic").getAttribute("aria-label")).toBe("Unmute your microphone");
  });

  test("a mute is seen by the others, and undone by them hearing again", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    const annAtBob = bob.page.getByTestId("tile").filter({ hasText: "Ann" });
    await expect.poll(() => loudness(bob.page), { timeout: 20_000 }).toBeGreaterThan(0.05);

    await ann.page.getByTestId("mic").click();
    await expect.poll(() => annAtBob.getAttribute("aria-label")).toBe("Ann, muted");
    await expect.poll(() => loudness(bob.page), { timeout: 20_000 }).toBeLessThan(0.01);
    await ann.page.getByTestId("mic").click();

    await expect.poll(() => annAtBob.getAttribute("aria-label")).toBe("Ann");
    await expect.poll(() => loudness(bob.page), { timeout: 20_000 }).toBeGreaterThan(0.05);
  });

  test("a camera that is turned off shows initials, and comes back", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann Example");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    await expect.poll(() => framesOf(bob.page, "Ann"), { timeout: 20_000 }).toBeGreaterThan(2);
    await ann.page.getByTestId("cam").click();
    await bob.page.getByTestId("tile").filter({ hasText: "AE" }).waitFor();
    await ann.page.getByTestId("cam").click();

    await expect.poll(() => framesOf(bob.page, "Ann"), { timeout: 20_000 }).toBeGreaterThan(2);
  });

  test("a phone has a badge and tells where its call is", async () => {
    const { page } = await visit(browser, `${server.url}/hello`);
    await join(page, "Ann");
    const id = server.addPhone("Grandma", { callState: "ringing" });
    const row = page.locator(`[data-testid=person][data-session-id="${id}"]`);
    await row.getByTestId("phone-badge").waitFor();
    expect(await row.getByTestId("call-state").textContent()).toBe("Ringing…");

    server.changePhone(id, { callState: "answered" });
    await expect.poll(() => row.getByTestId("call-state").textContent()).toBe("Answered");
    server.changePhone(id, { onHold: true });
    await expect.poll(() => row.getByTestId("call-state").textContent()).toBe("On hold");
    server.removePhone(id);
    await expect.poll(() => row.count()).toBe(0);
  });

  test("a phone with a screen says what it is shown, on its tile and in the list", async () => {
    const { page } = await visit(browser, `${server.url}/hello`);
    await join(page, "Ann");
    const id = server.addPhone("Grandma");
    const tile = page.locator(`[data-testid=tile][data-session-id="${id}"]`);
    await tile.waitFor();
    expect(await tile.getByTestId("sees").count()).toBe(0);

    const me = await page.locator("[data-testid=tile][data-local]").getAttribute("data-session-id");
    server.changePhone(id, { sees: { layout: "one", tracks: [{ session_id: me, track: "video" }] } });
    await expect.poll(() => tile.getByTestId("sees").textContent()).toBe("Sees you");
    const row = page.locator(`[data-testid=person][data-session-id="${id}"]`);
    await expect.poll(() => row.textContent()).toContain("Sees you");
    server.changePhone(id, { sees: undefined });
    await expect.poll(() => tile.getByTestId("sees").count()).toBe(0);
  });

  test("a caller's name is text and nothing else", async () => {
    const { page, complaints } = await visit(browser, `${server.url}/hello`);
    await join(page, "Ann");
    const id = server.addPhone("<img src=x onerror=alert(1)>\u202e\u0000<script>alert(2)</script>");
    const row = page.locator(`[data-testid=person][data-session-id="${id}"]`);
    await row.waitFor();

    expect(await row.locator(".who-name").textContent()).toContain("<img src=x onerror=alert(1)> <script>");
    expect(await page.locator("img").count()).toBe(0);
    expect(await page.evaluate(() => document.body.textContent.includes("\u202e"))).toBe(false);
    expect(complaints).toEqual([]);
  });

  test("only an owner has the box that calls a phone", async () => {
    const guest = await visit(browser, `${server.url}/hello`);
    await join(guest.page, "Guest");
    expect(await guest.page.getByTestId("dialout-input").count()).toBe(0);
    const owner = await visit(browser, `${server.url}/hello?t=owner`);
    await join(owner.page, "Ann");

    await owner.page.getByTestId("dialout-input").waitFor();
  });

  test("an owner calls a phone and hangs up", async () => {
    const { page } = await visit(browser, `${server.url}/hello?t=owner`);
    await join(page, "Ann");
    await page.getByTestId("dialout-input").fill("bob@127.0.0.1:5080");
    await page.getByTestId("dialout-name").fill("Bob's desk");
    await page.getByTestId("dialout-button").click();
    const row = page.getByTestId("person").filter({ hasText: "Bob's desk" });
    await row.getByTestId("phone-badge").waitFor();

    expect(server.dialled).toEqual([{ sipUri: "sip:bob@127.0.0.1:5080", displayName: "Bob's desk", provider: "signalwire" }]);
    expect(await page.getByTestId("dialout-input").inputValue()).toBe("");
    await row.getByTestId("hangup").click();
    await expect.poll(() => row.count()).toBe(0);
    await page.getByText("The call with Bob's desk ended.").waitFor();
  });

  test("why a call did not work is said in words", async () => {
    const { page } = await visit(browser, `${server.url}/hello?t=owner`);
    await join(page, "Ann");
    const error = page.getByTestId("dialout-error");
    await page.getByTestId("dialout-input").fill("030 1234");
    await page.getByTestId("dialout-button").click();
    expect(await error.textContent()).toContain("starts with + and the country code");

    server.refuseDialOut = "dial-out not enabled for room. add enable_dialout property to room";
    await page.getByTestId("dialout-input").fill("+49301234");
    await page.getByTestId("dialout-button").click();
    await expect.poll(() => error.textContent()).toContain("Dial-out not enabled for room.");
    server.broadcast("dialout-error", { errorMsg: "busy (486 Busy Here)", provider: "signalwire" });
    await expect.poll(() => error.textContent()).toContain("busy (486 Busy Here)");
  });

  test("a broken connection is said, mended, and nobody has left", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    await expect.poll(() => loudness(ann.page), { timeout: 20_000 }).toBeGreaterThan(0.05);
    await ann.page.evaluate(() => {
      const told: string[] = [];
      (window as unknown as { told: string[] }).told = told;
      window.ringback?.call.on("network-connection", ({ type, event }) => told.push(`${type} ${event}`));
      window.ringback?.call.on("participant-left", () => told.push("left"));
    });
    server.cut();

    const told = () => ann.page.evaluate(() => (window as unknown as { told: string[] }).told);
    await expect.poll(told, { timeout: 10_000 }).toEqual(["signaling interrupted", "signaling connected"]);
    expect(await ann.page.getByTestId("connection").textContent()).toBe("");
    expect(await loudness(ann.page)).toBeGreaterThan(0.05);
    server.addPhone("After");
    await ann.page.getByTestId("person").filter({ hasText: "After" }).waitFor();
  });

  test("who lost the place with the connection takes a new one", async () => {
    const { page } = await visit(browser, `${server.url}/hello`);
    await join(page, "Ann");
    const before = await page.getByTestId("tile").getAttribute("data-session-id");
    server.clients.clear();
    server.cut();
    await page.getByText("You have joined again.").waitFor();

    expect(await page.getByTestId("tile").getAttribute("data-session-id")).not.toBe(before);
    await expect.poll(() => framesOf(page, "Ann")).toBeGreaterThan(0);
  });

  test("a shared screen is a tile of its own, before the faces", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    await ann.page.getByTestId("screen").click();
    const shared = bob.page.getByTestId("screen-tile");
    await shared.waitFor();
    const frames = () =>
      shared.locator("video").evaluate((video: HTMLVideoElement) => video.getVideoPlaybackQuality().totalVideoFrames);
    await expect.poll(frames, { timeout: 20_000 }).toBeGreaterThan(1);
    expect(await bob.page.locator("article").first().getAttribute("aria-label")).toBe("Ann's screen");
    await ann.page.getByTestId("screen").click();

    await expect.poll(() => shared.count()).toBe(0);
  });

  test("while the server is away the page says so", async () => {
    const { page } = await visit(browser, `${server.url}/hello`);
    await join(page, "Ann");
    await server.stop();

    await page.getByText("Reconnecting…").waitFor();
  });

  test("who leaves is gone, told so, and can join again", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    await bob.page.getByTestId("leave").click();
    await bob.page.getByText("You left the room").waitFor();
    await expect.poll(() => ann.page.getByTestId("tile").count()).toBe(1);
    await bob.page.getByTestId("again").click();
    await bob.page.getByTestId("join").click();

    await expect.poll(() => ann.page.getByTestId("tile").count()).toBe(2);
  });

  test("closing the window is leaving", async () => {
    const ann = await visit(browser, `${server.url}/hello`);
    await join(ann.page, "Ann");
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    await bob.page.close({ runBeforeUnload: true });

    await expect.poll(() => ann.page.getByTestId("tile").count()).toBe(1);
  });

  test("a room that is not there is said to be", async () => {
    const { page } = await visit(browser, `${server.url}/nowhere`);
    await page.getByTestId("name").fill("Ann");
    await page.getByTestId("join").click();

    expect(await page.getByTestId("problem").textContent()).toBe("There is no room of this name.");
    expect(await page.getByTestId("join").isEnabled()).toBe(true);
  });
});

describe.runIf(there)("on a page that is not secure", () => {
  let browser: Browser;
  let server: PretendServer;
  let insecure: string;

  beforeAll(async () => {
    browser = await launch("--host-resolver-rules=MAP ringback.test 127.0.0.1", "--autoplay-policy=document-user-activation-required");
    server = await PretendServer.start(await Relay.start(await browser.newPage()));
    insecure = server.url.replace("127.0.0.1", "ringback.test");
  });
  afterAll(async () => {
    await browser.close();
    await server.stop();
  });

  test("it says why there is no microphone, and how to get one", async () => {
    const { page } = await visit(browser, `${insecure}/hello`);
    expect(await page.getByTestId("insecure").textContent()).toContain("not opened over a secure connection");
    const failure = page.evaluate(
      () =>
        new Promise<string>((resolve) => window.ringback?.call.on("camera-error", ({ error }) => resolve(error.type))),
    );
    await page.getByTestId("name").fill("Ann");
    await page.getByTestId("join").click();

    expect(await failure).toBe("undefined-mediadevices");
    await page.getByTestId("leave").waitFor();
    expect(await page.getByTestId("tile").getAttribute("aria-label")).toBe("Ann (you), muted");
  });

  test("where the browser forbids sound before a click, it asks for one", async () => {
    const bob = await visit(browser, `${server.url}/hello`);
    await join(bob.page, "Bob");
    const page = await (await browser.newContext()).newPage();
    // Joined by the page itself: whatever a test does to a page counts as the click.
    await page.addInitScript(() => {
      // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its element below
      const { play } = HTMLMediaElement.prototype;
      HTMLMediaElement.prototype.play = function (this: HTMLMediaElement) {
        const played = play.call(this);
        played.catch(() => console.info("silenced"));
        return played;
      };
      addEventListener("load", () => void window.ringback?.call.join({ url: `${location.origin}/hello`, userName: "Ann" }));
    });
    const silenced = page.waitForEvent("console", (message) => message.text() === "silenced");
    await page.goto(`${insecure}/hello`);
    await silenced;
    await page.getByTestId("hear").click();

    await expect.poll(() => loudness(page), { timeout: 20_000 }).toBeGreaterThan(0.05);
    expect(await page.getByTestId("hear").count()).toBe(0);
    await expect.poll(() => framesOf(page, "Bob"), { timeout: 20_000 }).toBeGreaterThan(2);
  });
});
