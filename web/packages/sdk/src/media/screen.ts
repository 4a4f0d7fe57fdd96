/** Sharing the screen: asking the browser for it, and noticing when the user ends it there. */

import { Emitter } from "../emitter";
import type { StartScreenShareOptions } from "../types";
import type { LocalMedia } from "./devices";

export interface ScreenEvents {
  changed: { name: "screenVideo" | "screenAudio"; media: LocalMedia };
  started: undefined;
  stopped: undefined;
  /** The user closed the browser's question. */
  canceled: undefined;
  failed: string;
}

export class ScreenShare extends Emitter<ScreenEvents> {
  private stream: MediaStream | null = null;

  constructor(private readonly deps: { mediaDevices: MediaDevices | undefined }) {
    super();
  }

  async start({ displayMediaOptions, mediaStream }: StartScreenShareOptions): Promise<void> {
    if (this.stream !== null) return;
    if (mediaStream === undefined && this.deps.mediaDevices === undefined) {
      this.emit("failed", "This browser shares no screen with a page that is not secure (https:// or localhost).");
      return;
    }
    try {
      const options = displayMediaOptions ?? { video: { frameRate: { max: 15 } }, audio: true };
      this.stream = mediaStream ?? (await this.deps.mediaDevices?.getDisplayMedia(options)) ?? null;
    } catch (error) {
      if (error instanceof Error && error.name === "NotAllowedError") this.emit("canceled", undefined);
      else this.emit("failed", error instanceof Error ? error.message : String(error));
      return;
    }
    for (const track of this.stream?.getTracks() ?? []) {
      track.onended = () => this.stop();
      const name = track.kind === "video" ? "screenVideo" : "screenAudio";
      this.emit("changed", { name, media: { state: "playable", track } });
    }
    this.emit("started", undefined);
  }

  stop(): void {
    const { stream } = this;
    this.stream = null;
    if (stream === null) return;
    for (const track of stream.getTracks()) {
      track.onended = null;
      track.stop();
      const name = track.kind === "video" ? "screenVideo" : "screenAudio";
      this.emit("changed", { name, media: { state: "off" } });
    }
    this.emit("stopped", undefined);
  }
}
