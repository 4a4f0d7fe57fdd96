import { describe, expect, test } from "vitest";
import { DeviceManager } from "../src/media/devices";
import { FakeMediaDevices, FakeTrack } from "./fakes/devices";
import { settle } from "./fakes/wire";

function start(media: FakeMediaDevices | undefined = new FakeMediaDevices()) {
  const manager = new DeviceManager({ mediaDevices: media.asDevices() });
  return { media, ...watch(manager) };
}

function watch(manager: DeviceManager) {
  const errors: object[] = [];
  const available: number[] = [];
  manager.on("camera-error", ({ error, errorMsg }) => errors.push({ ...error, ...errorMsg }));
  manager.on("available", (devices) => available.push(devices.length));
  const states = () => `${manager.media("audio").state} ${manager.media("video").state}`;
  return { manager, errors, available, states };
}

const forbidden = () => new DOMException("Permission denied", "NotAllowedError");
const busy = () => new DOMException("Could not start video source", "NotReadableError");

describe("microphone and camera", () => {
  test("both are asked for with one question", async () => {
    const { manager, media, states } = start();
    const started = manager.start();
    expect(states()).toBe("loading loading");
    await started;

    expect(states()).toBe("playable playable");
    expect(media.requests).toHaveLength(1);
    expect(manager.selected()).toMatchObject({ mic: { deviceId: "mic-1" }, camera: { deviceId: "cam-1" }, speaker: {} });
  });

  test("what is to start off is not asked for", async () => {
    const { manager, media, states } = start();
    manager.configure("video", undefined, false);
    await manager.start();

    expect(states()).toBe("playable off");
    expect(media.requests[0]).toHaveProperty("audio");
    expect(media.requests[0]).not.toHaveProperty("video");
  });

  test("a page that is not secure has neither, and says why", async () => {
    const manager = new DeviceManager({ mediaDevices: undefined });
    const { errors, states } = watch(manager);
    await manager.start();

    expect(states()).toBe("blocked blocked");
    expect(errors).toMatchObject([{ type: "undefined-mediadevices", audioOk: false, videoOk: false }]);
  });

  test("a missing camera leaves the microphone working", async () => {
    const { manager, media, errors, states } = start();
    media.devices = media.devices.filter(({ kind }) => kind !== "videoinput");
    await manager.start();

    expect(states()).toBe("playable blocked");
    expect(errors).toMatchObject([{ type: "not-found", missingMedia: ["video"], audioOk: true, videoOk: false }]);
  });

  test("a refusal names what was refused, and is not asked again", async () => {
    const { manager, media, errors, states } = start();
    media.errors.audio = forbidden();
    await manager.start();

    expect(states()).toBe("blocked blocked");
    expect(errors).toMatchObject([{ type: "permissions", blockedBy: "user", blockedMedia: ["audio", "video"] }]);
    expect(media.requests).toHaveLength(1);
  });

  test("a camera another program holds leaves the microphone working", async () => {
    const { manager, media, errors, states } = start();
    media.errors.video = busy();
    await manager.start();

    expect(states()).toBe("playable blocked");
    expect(errors).toMatchObject([{ type: "cam-in-use", audioOk: true, videoOk: false }]);
    expect(manager.media("video").blocked).toEqual({ byDeviceInUse: true });
  });

  test("a muted microphone stays open, a camera that is off is let go", async () => {
    const { manager, media, states } = start();
    await manager.start();
    await manager.setEnabled("audio", false);
    await manager.setEnabled("video", false);

    expect(states()).toBe("off off");
    expect(media.tracks.map(({ kind, readyState, enabled }) => [kind, readyState, enabled])).toEqual([
      ["audio", "live", false],
      ["video", "ended", true],
    ]);
  });

  test("unmuting gives the same track back, a camera a new one", async () => {
    const { manager, media } = start();
    await manager.start();
    const before = manager.media("audio").track;
    for (const on of [false, true]) {
      await manager.setEnabled("audio", on);
      await manager.setEnabled("video", on);
    }

    expect(manager.media("audio").track).toBe(before);
    expect(before?.enabled).toBe(true);
    expect(media.tracks).toHaveLength(3);
    expect(manager.media("video").track?.readyState).toBe("live");
  });

  test("on and off again before the browser answers ends off, with nothing left open", async () => {
    const { manager, media, states } = start();
    let allow = () => {};
    media.question = new Promise((resolve) => (allow = resolve));
    const started = manager.start();
    await settle();
    const off = [manager.setEnabled("audio", false, true), manager.setEnabled("video", false)];
    allow();
    await Promise.all([started, ...off]);

    expect(states()).toBe("off off");
    expect(media.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
  });

  test("another device is taken by its id", async () => {
    const { manager, media } = start();
    media.plug({ kind: "audioinput", deviceId: "mic-2", label: "Headset" });
    await manager.start();
    const chosen = await manager.setInputDevices({ audioDeviceId: "mic-2" });

    expect(chosen.mic).toMatchObject({ deviceId: "mic-2" });
    expect(media.tracks.filter(({ kind, readyState }) => kind === "audio" && readyState === "live")).toHaveLength(1);
  });

  test("a track of the application's is used as it is and never stopped", async () => {
    const { manager, media } = start();
    const own = new FakeTrack("audio");
    manager.configure("audio", own.asTrack(), undefined);
    await manager.start();
    expect(manager.media("audio").track).toBe(own);
    expect(media.requests[0]).not.toHaveProperty("audio");
    manager.stop();

    expect(own.readyState).toBe("live");
  });

  test("a device pulled out is replaced by the default one", async () => {
    const { manager, media, states } = start();
    media.plug({ kind: "audioinput", deviceId: "mic-2", label: "Headset" });
    await manager.start();
    media.unplug("mic-1");
    await manager.setEnabled("audio", true);

    expect(states()).toBe("playable playable");
    expect(manager.selected().mic).toMatchObject({ deviceId: "mic-2" });
  });

  test("the last device pulled out is told as missing", async () => {
    const { manager, media, errors, states } = start();
    await manager.start();
    media.unplug("mic-1");
    await manager.setEnabled("video", true);

    expect(states()).toBe("blocked playable");
    expect(errors).toMatchObject([{ type: "not-found", missingMedia: ["audio"] }]);
  });

  test("devices that come and go are told", async () => {
    const { manager, media, available } = start();
    await manager.enumerate();
    media.plug({ kind: "audiooutput", deviceId: "speaker", label: "Speaker" });
    await settle();
    expect(available).toEqual([3]);
    expect(manager.setSpeaker("speaker").speaker).toMatchObject({ deviceId: "speaker" });
  });

  test("disposing lets everything go", async () => {
    const { manager, media } = start();
    await manager.start();
    manager.dispose();

    expect(media.listening).toBe(0);
    expect(media.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
  });
});
