import { describe, expect, test } from "vitest";
import { checkReceiveSettings, ReceiveSettings } from "../src/settings/receive";
import { checkSendSettings, encodingsFor, withinLimits } from "../src/settings/send";

describe("receive settings", () => {
  test("base is for everybody, a name for one, and inherit takes back", () => {
    const settings = new ReceiveSettings();

    expect(settings.update({ base: { video: { layer: 1 } }, ann: { video: { layer: 2 } } })).toBe(true);
    expect(settings.table()).toEqual([
      { session_id: "*", track: "video", layer: 1 },
      { session_id: "ann", track: "video", layer: 2 },
    ]);
    expect(settings.one("ben", true)).toEqual({ video: { layer: 1 } });
    expect(settings.one("ben", false)).toEqual({});

    expect(settings.update({ ann: "inherit", base: { video: { layer: "inherit" } } })).toBe(true);
    expect(settings.all()).toEqual({});
  });

  test("what changes nothing says so, and a star is for those who are named", () => {
    const settings = new ReceiveSettings();
    settings.update({ ann: { video: { layer: 0 } }, ben: { screenVideo: { layer: 1 } } });

    expect(settings.update({ ann: { video: { layer: 0 } } })).toBe(false);
    settings.update({ "*": { video: { layer: 2 } } });

    expect(settings.all()).toEqual({ ann: { video: { layer: 2 } }, ben: { screenVideo: { layer: 1 }, video: { layer: 2 } } });
    settings.forget("ann");
    expect(settings.table().map(({ session_id }) => session_id)).toEqual(["ben", "ben"]);
  });

  test("settings that make no sense are refused by name", () => {
    expect(() => checkReceiveSettings({ local: { video: { layer: 0 } } })).toThrow(/local/);
    expect(() => checkReceiveSettings({ "*": { video: { layer: 0 } } }, false)).toThrow(/updateReceiveSettings/);
    expect(() => checkReceiveSettings({ ann: { video: { layer: -1 } } })).toThrow(/ann/);
    expect(() => checkReceiveSettings({ ann: { video: { layer: 1.5 } } })).toThrow(/ann/);
  });
});

describe("send settings", () => {
  const active = (encodings: RTCRtpEncodingParameters[]) => encodings.map((encoding) => encoding.active);

  test("a camera is sent in three layers, the lowest first and cheapest", () => {
    const encodings = encodingsFor("video", {});

    expect(encodings.map(({ rid }) => rid)).toEqual(["l", "m", "h"]);
    expect(active(encodings)).toEqual([true, true, true]);
    const costs = encodings.map(({ maxBitrate }) => maxBitrate ?? 0);
    expect([...costs].sort((a, b) => a - b)).toEqual(costs);
  });

  test("layers that are not wanted are there and not active, as their number cannot change", () => {
    expect(active(encodingsFor("video", { video: "adaptive-2-layers" }))).toEqual([true, true, false]);
    expect(active(encodingsFor("video", { video: { maxQuality: "low" } }))).toEqual([true, false, false]);
    const own = { encodings: { low: { maxBitrate: 1 }, high: { maxBitrate: 2 } } };
    expect(active(encodingsFor("video", { video: own }))).toEqual([true, false, true]);
  });

  test("what the server limits is no more than that, and all else is as it was", () => {
    const encodings = [{ rid: "l", maxBitrate: 100 }, { rid: "m", maxBitrate: 500, maxFramerate: 10 }, { rid: "h" }];

    expect(withinLimits(encodings, [])).toEqual(encodings);
    expect(withinLimits(encodings, [{ layer: 1, maxBitrate: 900, maxFramerate: 15 }, { layer: 2, maxBitrate: 800 }])).toEqual([
      { rid: "l", maxBitrate: 100 },
      { rid: "m", maxBitrate: 500, maxFramerate: 10 },
      { rid: "h", maxBitrate: 800 },
    ]);
  });

  test("a screen has one layer", () => {
    expect(encodingsFor("screenVideo", { screenVideo: "detail-optimized" })).toEqual([{ maxBitrate: 2_500_000, maxFramerate: 5 }]);
  });

  test("what nobody knows is refused", () => {
    expect(() => checkSendSettings({ video: "best" })).toThrow(/default-video/);
    expect(() => checkSendSettings({ screenVideo: "adaptive-3-layers" })).toThrow(/screenVideo/);
    expect(() => checkSendSettings({ video: { maxQuality: "huge" as "high" } })).toThrow(/maxQuality/);
  });
});
