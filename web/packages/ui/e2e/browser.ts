/** Chromium for the page's tests: fake devices, and eyes and ears on what a page plays. */

import { existsSync } from "node:fs";
import { type Browser, type BrowserContextOptions, chromium, type Page } from "playwright-core";

const CANDIDATES = [process.env.CHROMIUM ?? "", "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

export function findChromium(): string | undefined {
  return CANDIDATES.find((path) => path !== "" && existsSync(path));
}

export function launch(...more: string[]): Promise<Browser> {
  const executablePath = findChromium();
  if (executablePath === undefined) throw new Error("Chromium is missing: apt-get install chromium");
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox",
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--allow-loopback-in-peer-connection",
      "--disable-features=WebRtcHideLocalIpsWithMdns", // the relay page never asked for a microphone
      ...(more.length > 0 ? more : ["--autoplay-policy=no-user-gesture-required"]),
    ],
  });
}

export interface Visitor {
  page: Page;
  /** What the page complained of: console errors, uncaught ones, refused by the content security policy. */
  complaints: string[];
}

export async function visit(browser: Browser, url: string, options: BrowserContextOptions = {}): Promise<Visitor> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(error.message));
  await page.goto(url);
  return { page, complaints };
}

export async function join(page: Page, name: string): Promise<void> {
  await page.getByTestId("name").fill(name);
  await page.getByTestId("join").click();
  await page.getByTestId("leave").waitFor();
}

/** Loudest level (0..1) among what the page plays to its user, over half a second. */
export function loudness(page: Page): Promise<number> {
  return page.evaluate(async () => {
    const context = new AudioContext();
    await context.resume();
    const analysers = [...document.querySelectorAll("audio")]
      .filter((audio) => !audio.paused && !audio.muted && audio.srcObject !== null)
      .map((audio) => {
        const analyser = context.createAnalyser();
        context.createMediaStreamSource(audio.srcObject as MediaStream).connect(analyser);
        return analyser;
      });
    const samples = new Float32Array(2048);
    let loudest = 0;
    for (const end = performance.now() + 1_500; performance.now() < end; ) {
      await new Promise((resolve) => setTimeout(resolve, 25));
      for (const analyser of analysers) {
        analyser.getFloatTimeDomainData(samples);
        for (const sample of samples) loudest = Math.max(loudest, Math.abs(sample));
      }
    }
    await context.close();
    return loudest;
  });
}

/** Frames decoded so far by the picture in somebody's tile. */
export function framesOf(page: Page, name: string): Promise<number> {
  return page
    .getByTestId("tile")
    .filter({ hasText: name })
    .locator("video")
    .evaluate((video: HTMLVideoElement) => video.getVideoPlaybackQuality().totalVideoFrames);
}
