/**
 * Microphone, camera and screen: what the user wants on, what the browser gives, and why not when it does not.
 *
 * Everything that waits for the browser runs one after the other, so that "on" then "off" ends off.
 */

import { Emitter } from "../emitter";
import type {
  DailyBlocked,
  DailyCameraErrorObject,
  DailyDevice,
  DailyDeviceInfos,
  DailySetInputDevicesOptions,
  MediaSource,
} from "../types";
import { cameraError, type MediaKind, notFound, undefinedMediaDevices } from "./camera-errors";

export interface LocalMedia {
  state: "off" | "loading" | "playable" | "blocked";
  blocked?: DailyBlocked;
  track?: MediaStreamTrack;
}

export interface CameraFailure {
  error: DailyCameraErrorObject;
  errorMsg: { errorMsg: string; audioOk: boolean; videoOk: boolean };
}

export interface DeviceEvents {
  changed: MediaKind;
  "camera-error": CameraFailure;
  available: MediaDeviceInfo[];
  selected: DailyDeviceInfos;
}

export interface DeviceDeps {
  /** `navigator.mediaDevices`: undefined on a page that is not secure. */
  mediaDevices: MediaDevices | undefined;
}

interface Input {
  wanted: boolean;
  source: MediaSource;
  constraints: MediaTrackConstraints;
  media: LocalMedia;
  /** Whether we opened the track, and so may stop it. */
  ours: boolean;
}

const CAMERA: MediaTrackConstraints = { width: { ideal: 1280 }, height: { ideal: 720 }, frameRate: { ideal: 30 } };
const KINDS: readonly MediaKind[] = ["audio", "video"];

export class DeviceManager extends Emitter<DeviceEvents> {
  /** Leave the camera open while it is off, so that it comes back at once. */
  keepCameraOpen = false;
  private readonly inputs: Record<MediaKind, Input> = {
    audio: { wanted: true, source: true, constraints: {}, media: { state: "off" }, ours: false },
    video: { wanted: true, source: true, constraints: CAMERA, media: { state: "off" }, ours: false },
  };
  private speakerId = "";
  private known: MediaDeviceInfo[] = [];
  private queue: Promise<void> = Promise.resolve();
  private stopped = false;
  private readonly onDeviceChange = () => void this.refreshDevices();

  constructor(private readonly deps: DeviceDeps) {
    super();
    deps.mediaDevices?.addEventListener("devicechange", this.onDeviceChange);
  }

  media(kind: MediaKind): LocalMedia {
    return this.inputs[kind].media;
  }

  /** Where a kind comes from and whether it is wanted on. Takes effect at the next `start`. */
  configure(kind: MediaKind, source: MediaSource | undefined, wanted: boolean | undefined): void {
    const input = this.inputs[kind];
    if (source !== undefined) input.source = source;
    if (wanted !== undefined) input.wanted = wanted;
    if (input.source === false) input.wanted = false;
  }

  setConstraints(kind: MediaKind, constraints: MediaTrackConstraints): void {
    const input = this.inputs[kind];
    input.constraints = kind === "video" ? { ...CAMERA, ...constraints } : constraints;
  }

  /** Opens what is wanted and not open yet. Never rejects: what fails is told by `camera-error`. */
  start(): Promise<void> {
    const needed = () => KINDS.filter((kind) => this.inputs[kind].wanted && this.inputs[kind].media.state !== "playable");
    for (const kind of needed()) this.change(kind, { state: "loading" });
    return this.enqueue(() => this.open(needed()));
  }

  setEnabled(kind: MediaKind, on: boolean, discard = false): Promise<void> {
    const input = this.inputs[kind];
    input.wanted = on;
    if (!on) {
      return this.enqueue(() => {
        this.turnOff(kind, discard);
        return Promise.resolve();
      });
    }
    if (input.source === false) input.source = true;
    if (input.media.state !== "playable") this.change(kind, { ...input.media, state: "loading" });
    return this.enqueue(() => this.turnOn(kind));
  }

  async setInputDevices(options: DailySetInputDevicesOptions): Promise<DailyDeviceInfos> {
    const audio = options.audioSource ?? options.audioDeviceId;
    const video = options.videoSource ?? options.videoDeviceId;
    if (audio !== undefined) await this.switchSource("audio", audio);
    if (video !== undefined) await this.switchSource("video", video);
    return this.selected();
  }

  /** Opens a kind again, as after new constraints. */
  reopen(kind: MediaKind): Promise<void> {
    return this.switchSource(kind, this.inputs[kind].source);
  }

  setSpeaker(deviceId: string): DailyDeviceInfos {
    this.speakerId = deviceId;
    this.emit("selected", this.selected());
    return this.selected();
  }

  async enumerate(): Promise<MediaDeviceInfo[]> {
    this.known = (await this.deps.mediaDevices?.enumerateDevices()) ?? [];
    return this.known;
  }

  selected(): DailyDeviceInfos {
    return {
      camera: this.deviceOf("video", "videoinput"),
      mic: this.deviceOf("audio", "audioinput"),
      speaker: this.known.find((one) => one.kind === "audiooutput" && one.deviceId === this.speakerId) ?? {},
    };
  }

  /** Lets go of every device. */
  stop(): void {
    for (const kind of KINDS) {
      this.release(kind);
      this.inputs[kind].media = { state: "off" };
    }
  }

  dispose(): void {
    this.stopped = true;
    this.stop();
    this.deps.mediaDevices?.removeEventListener("devicechange", this.onDeviceChange);
    this.removeAll();
  }

  // ── opening and closing ───────────────────────────────────────────────────────────────────────────────────────────

  private async open(kinds: MediaKind[]): Promise<void> {
    const wanted = kinds.filter((kind) => !this.adoptOwnTrack(kind));
    if (wanted.length === 0) return;
    const media = this.deps.mediaDevices;
    if (media === undefined) {
      this.fail(wanted, undefinedMediaDevices(), { byPermissions: true });
      return;
    }
    const listed = await this.enumerate();
    const missing = wanted.filter((kind) => !listed.some((one) => one.kind === `${kind}input`));
    if (missing.length > 0) this.fail(missing, notFound(missing), { byDeviceMissing: true });
    await this.capture(media, wanted.filter((kind) => !missing.includes(kind)));
    await this.refreshDevices();
    this.emit("selected", this.selected());
  }

  /** Asks for both at once, so that people see one question; for each alone when that failed for a device's sake. */
  private async capture(media: MediaDevices, kinds: MediaKind[]): Promise<void> {
    if (kinds.length === 0) return;
    try {
      const stream = await media.getUserMedia(Object.fromEntries(kinds.map((kind) => [kind, this.constraintsOf(kind)])));
      for (const track of stream.getTracks()) this.adopt(track.kind as MediaKind, track, true);
    } catch (error) {
      const failure = cameraError(error, kinds);
      if (kinds.length > 1 && failure.type !== "permissions") {
        for (const kind of kinds) await this.capture(media, [kind]);
        return;
      }
      this.fail(kinds, failure, blockedBy(failure));
    }
  }

  private adopt(kind: MediaKind, track: MediaStreamTrack, ours: boolean): void {
    const input = this.inputs[kind];
    if (this.stopped || !input.wanted) {
      if (ours) track.stop();
      if (!this.stopped) this.change(kind, { state: "off" });
      return;
    }
    this.release(kind);
    input.ours = ours;
    track.enabled = true;
    track.onended = () => void this.enqueue(() => this.handleEnded(kind, track));
    this.change(kind, { state: "playable", track });
  }

  private adoptOwnTrack(kind: MediaKind): boolean {
    const { source } = this.inputs[kind];
    if (typeof source !== "object") return false;
    this.adopt(kind, source, false);
    return true;
  }

  /** The device went away: take the default one when there is another. */
  private async handleEnded(kind: MediaKind, track: MediaStreamTrack): Promise<void> {
    const input = this.inputs[kind];
    if (input.media.track !== track || !input.wanted) return;
    input.source = true;
    this.change(kind, { state: "loading" });
    await this.open([kind]);
  }

  private async turnOn(kind: MediaKind): Promise<void> {
    const input = this.inputs[kind];
    if (!input.wanted) return;
    const { track } = input.media;
    if (track !== undefined && track.readyState === "live") {
      track.enabled = true;
      this.change(kind, { state: "playable", track });
      return;
    }
    await this.open([kind]);
  }

  private turnOff(kind: MediaKind, discard: boolean): void {
    const input = this.inputs[kind];
    if (input.wanted) return;
    const { track } = input.media;
    const keep = !discard && (kind === "audio" || this.keepCameraOpen || !input.ours);
    if (track === undefined || !keep) {
      this.release(kind);
      this.change(kind, { state: "off" });
      return;
    }
    track.enabled = false;
    this.change(kind, { state: "off", track });
  }

  private switchSource(kind: MediaKind, source: MediaSource): Promise<void> {
    const input = this.inputs[kind];
    input.source = source;
    if (source === false) return this.setEnabled(kind, false, true);
    return this.enqueue(async () => {
      if (!input.wanted) {
        this.release(kind);
        this.change(kind, { state: "off" });
        return;
      }
      if (!this.adoptOwnTrack(kind)) await this.open([kind]);
      else this.emit("selected", this.selected());
    });
  }

  private release(kind: MediaKind): void {
    const input = this.inputs[kind];
    const { track } = input.media;
    if (track === undefined) return;
    track.onended = null;
    if (input.ours) track.stop();
  }

  // ── telling ───────────────────────────────────────────────────────────────────────────────────────────────────────

  private change(kind: MediaKind, media: LocalMedia): void {
    this.inputs[kind].media = media;
    this.emit("changed", kind);
  }

  private fail(kinds: MediaKind[], error: DailyCameraErrorObject, blocked: DailyBlocked): void {
    for (const kind of kinds) {
      this.release(kind);
      this.change(kind, { state: "blocked", blocked });
    }
    const ok = (kind: MediaKind) => !kinds.includes(kind) && this.inputs[kind].media.state !== "blocked";
    this.emit("camera-error", { error, errorMsg: { errorMsg: error.msg, audioOk: ok("audio"), videoOk: ok("video") } });
  }

  private async refreshDevices(): Promise<void> {
    const before = JSON.stringify(this.known);
    const devices = await this.enumerate();
    if (!this.stopped && JSON.stringify(devices) !== before) this.emit("available", devices);
  }

  private deviceOf(kind: MediaKind, deviceKind: MediaDeviceKind): DailyDevice {
    const id = this.inputs[kind].ours ? this.inputs[kind].media.track?.getSettings().deviceId : undefined;
    return this.known.find((one) => one.kind === deviceKind && one.deviceId === id) ?? {};
  }

  private constraintsOf(kind: MediaKind): MediaTrackConstraints {
    const { source, constraints } = this.inputs[kind];
    return typeof source === "string" ? { ...constraints, deviceId: { exact: source } } : constraints;
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue
      .then(() => (this.stopped ? undefined : work()))
      .catch((error: unknown) => console.error("ringback: a device operation failed", error));
    return this.queue;
  }
}

function blockedBy(error: DailyCameraErrorObject): DailyBlocked {
  if (error.type === "permissions" || error.type === "undefined-mediadevices") return { byPermissions: true };
  if (error.type === "not-found") return { byDeviceMissing: true };
  return { byDeviceInUse: true };
}
