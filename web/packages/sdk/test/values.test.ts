import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { nameAndVersion } from "../src/browser";
import Daily from "../src/index";
import { cameraError } from "../src/media/camera-errors";
import { countersOf, summarise } from "../src/media/stats";
import { same } from "../src/state/build";
import { FakeTrack } from "./fakes/devices";

describe("the module", () => {
  test("its version is the package's", () => {
    const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as { version: string };
    expect(Daily.version()).toBe(version);
  });

  test("outside a browser nothing is claimed", () => {
    expect(Daily.supportedBrowser()).toMatchObject({ supported: false, supportsSfu: false });
    expect(Daily.getCallInstance()).toBeUndefined();
  });
});

describe("browsers", () => {
  test.each([
    ["Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36", "Chrome", "156.0.0.0"],
    ["Mozilla/5.0 (Windows NT 10.0) AppleWebKit/537.36 Chrome/150.0.0.0 Safari/537.36 Edg/150.0.1.2", "Edge", "150.0.1.2"],
    ["Mozilla/5.0 (X11; Linux x86_64; rv:153.0) Gecko/20100101 Firefox/153.0", "Firefox", "153.0"],
    ["Mozilla/5.0 (iPhone) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.1 Mobile/15E148 Safari/604.1", "Safari", "19.1"],
    ["curl/8", "", ""],
  ])("%s", (agent, name, version) => {
    expect(nameAndVersion(agent)).toEqual([name, version]);
  });
});

describe("camera errors", () => {
  test.each([
    ["NotAllowedError", ["audio", "video"], { type: "permissions", blockedBy: "user", blockedMedia: ["audio", "video"] }],
    ["NotFoundError", ["video"], { type: "not-found", missingMedia: ["video"] }],
    ["OverconstrainedError", ["audio"], { type: "constraints", reason: "invalid", failedMedia: ["audio"] }],
    ["NotReadableError", ["audio"], { type: "mic-in-use" }],
    ["NotReadableError", ["video"], { type: "cam-in-use" }],
    ["AbortError", ["audio", "video"], { type: "cam-mic-in-use" }],
    ["Surprise", ["audio"], { type: "unknown" }],
  ] as const)("%s on %j", (name, kinds, expected) => {
    const error = cameraError(new DOMException("words", name), [...kinds]);
    expect(error).toMatchObject(expected);
    expect(error.msg).toMatch(/(microphone|camera).*\.$/);
  });

  test("a permission the system withholds is the browser's", () => {
    const error = cameraError(new DOMException("Permission denied by system", "NotAllowedError"), ["audio"]);
    expect(error).toMatchObject({ blockedBy: "browser" });
  });
});

describe("equality", () => {
  const track = new FakeTrack("audio");
  test.each([
    [{ a: [1, { b: new Date(5) }] }, { a: [1, { b: new Date(5) }] }, true],
    [new Set(["a"]), new Set(["a"]), true],
    [new Set(["a"]), new Set(["b"]), false],
    [{ a: undefined }, {}, true],
    [{ a: 1 }, { a: 2 }, false],
    [[1, 2], [1], false],
    [{ track }, { track }, true],
    [{ track }, { track: new FakeTrack("audio") }, false],
  ])("%j and %j: %s", (a, b, expected) => {
    expect(same(a, b)).toBe(expected);
  });
});

describe("network numbers", () => {
  const counters = (timestamp: number, bytes: number, lost: number, packets: number) =>
    countersOf([
      { type: "inbound-rtp", timestamp, bytesReceived: bytes, packetsReceived: packets, packetsLost: lost },
      { type: "candidate-pair", timestamp, nominated: true, currentRoundTripTime: 0.04 },
    ]);

  test("rates are per second between two reads, loss a fraction of what was sent", () => {
    const stats = summarise(counters(1_000, 1_000, 0, 100), counters(3_000, 5_000, 5, 195));
    expect(stats.stats.latest).toMatchObject({ recvBitsPerSecond: 16_000, totalRecvPacketLoss: 0.05, networkRoundTripTime: 0.04 });
    expect(stats).toMatchObject({ networkState: "warning", networkStateReasons: ["recvPacketLoss"], threshold: "low" });
  });

  test("before there is a connection nothing is known", () => {
    expect(summarise(null, null)).toMatchObject({ networkState: "unknown", stats: { latest: {} } });
  });

  test("a first read has no rates yet", () => {
    expect(summarise(null, counters(1_000, 1_000, 0, 100)).stats.latest).toMatchObject({ recvBitsPerSecond: null });
  });
});
