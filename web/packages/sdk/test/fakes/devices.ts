/** Microphones and cameras that can be plugged in, pulled out, forbidden and taken by another program. */

let made = 0;

export class FakeTrack {
  readonly id: string;
  enabled = true;
  readyState: "live" | "ended" = "live";
  onended: (() => void) | null = null;

  constructor(
    readonly kind: "audio" | "video",
    readonly deviceId = "",
  ) {
    made += 1;
    this.id = `track-${made}`;
  }

  /** As the application does: no event. */
  stop(): void {
    this.readyState = "ended";
  }

  /** As the world does: the device is gone. */
  end(): void {
    this.readyState = "ended";
    this.onended?.();
  }

  getSettings(): MediaTrackSettings {
    return { deviceId: this.deviceId };
  }

  asTrack(): MediaStreamTrack {
    return this as unknown as MediaStreamTrack;
  }
}

interface Device {
  kind: MediaDeviceKind;
  deviceId: string;
  label: string;
}

type Wanted = Record<"audio" | "video", MediaTrackConstraints | undefined>;

export class FakeMediaDevices {
  devices: Device[] = [
    { kind: "audioinput", deviceId: "mic-1", label: "Microphone" },
    { kind: "videoinput", deviceId: "cam-1", label: "Camera" },
  ];
  /** Errors to throw, by kind; a request for both fails when either does. */
  readonly errors: Partial<Record<"audio" | "video", DOMException>> = {};
  readonly requests: Wanted[] = [];
  readonly tracks: FakeTrack[] = [];
  /** While set, permission questions stay open until it resolves. */
  question: Promise<void> | null = null;
  private readonly listeners = new Set<() => void>();

  addEventListener(_: string, listener: () => void): void {
    this.listeners.add(listener);
  }

  removeEventListener(_: string, listener: () => void): void {
    this.listeners.delete(listener);
  }

  get listening(): number {
    return this.listeners.size;
  }

  enumerateDevices(): Promise<MediaDeviceInfo[]> {
    return Promise.resolve(this.devices.map((device) => ({ ...device })) as unknown as MediaDeviceInfo[]);
  }

  async getUserMedia(wanted: Wanted): Promise<MediaStream> {
    this.requests.push(wanted);
    if (this.question !== null) await this.question;
    const tracks = (["audio", "video"] as const).filter((kind) => wanted[kind] !== undefined).map((kind) => this.open(kind, wanted));
    this.tracks.push(...tracks);
    return { getTracks: () => tracks } as unknown as MediaStream;
  }

  plug(device: Device): void {
    this.devices.push(device);
    for (const listener of this.listeners) listener();
  }

  unplug(deviceId: string): void {
    this.devices = this.devices.filter((device) => device.deviceId !== deviceId);
    for (const track of this.tracks) if (track.deviceId === deviceId && track.readyState === "live") track.end();
    for (const listener of this.listeners) listener();
  }

  asDevices(): MediaDevices {
    return this as unknown as MediaDevices;
  }

  private open(kind: "audio" | "video", wanted: Wanted): FakeTrack {
    const error = this.errors[kind];
    if (error !== undefined) throw error;
    const exact = (wanted[kind]?.deviceId as { exact?: string } | undefined)?.exact;
    const found = this.devices.find((one) => one.kind === `${kind}input` && (exact === undefined || one.deviceId === exact));
    if (found === undefined) throw new DOMException("Requested device not found", "NotFoundError");
    return new FakeTrack(kind, found.deviceId);
  }
}
