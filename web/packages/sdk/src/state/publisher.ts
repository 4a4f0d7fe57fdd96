/**
 * Our own tracks on their way out: what the devices give, what the peer connection sends and what the others are told,
 * kept in step. The others hear of a track once the server knows its m-line, never before.
 */

import type { LocalMedia } from "../media/devices";
import type { WireTrack } from "../signalling/wire";
import type { DailyOff, DailyParticipantPermissions, TrackName } from "../types";

export interface PublisherDeps {
  /** Put this on the m-line; null pauses it. */
  send: (name: TrackName, track: MediaStreamTrack | null) => Promise<void>;
  /** Tell the others. */
  tell: (name: TrackName, state: Pick<WireTrack, "state" | "blocked">) => Promise<void>;
  /** Show it to the application. */
  show: (name: TrackName, media: LocalMedia, off?: DailyOff) => void;
}

/** What the others believe of a track nobody has spoken of. */
const NOTHING = JSON.stringify({ state: "off" });

interface Outgoing {
  media: LocalMedia;
  told: string;
  work: Promise<void>;
}

export class Publisher {
  private readonly outgoing = new Map<TrackName, Outgoing>();
  private canSend: DailyParticipantPermissions["canSend"] = true;
  private open = false;

  constructor(private readonly deps: PublisherDeps) {}

  /** In the meeting: what is on already goes out. */
  handleJoined(canSend: DailyParticipantPermissions["canSend"]): void {
    this.open = true;
    this.canSend = canSend;
    for (const [name, { media }] of this.outgoing) this.update(name, media);
  }

  handlePermissions(canSend: DailyParticipantPermissions["canSend"]): void {
    this.canSend = canSend;
    for (const [name, { media }] of this.outgoing) this.update(name, media);
  }

  /** The server lost track of us (a resync): say everything again. */
  repeat(): void {
    for (const [name, outgoing] of this.outgoing) {
      outgoing.told = "";
      this.update(name, outgoing.media);
    }
  }

  /** @param off why it is off, when it was not the user. */
  update(name: TrackName, media: LocalMedia, off?: DailyOff): void {
    const outgoing = this.outgoing.get(name) ?? { media, told: NOTHING, work: Promise.resolve() };
    outgoing.media = media;
    this.outgoing.set(name, outgoing);
    if (this.allowed(name)) this.deps.show(name, media, off);
    else this.deps.show(name, { state: "off" }, { byCanSendPermission: true });
    if (this.open) outgoing.work = outgoing.work.then(() => this.flush(name, outgoing)).catch(() => undefined);
  }

  close(): void {
    this.open = false;
    this.outgoing.clear();
  }

  /** Works from what holds now, so that a queue of quick changes ends in the last of them. */
  private async flush(name: TrackName, outgoing: Outgoing): Promise<void> {
    if (!this.isOpen()) return;
    const { media } = outgoing;
    if (media.state === "loading") return;
    const on = media.state === "playable" && this.allowed(name);
    await this.deps.send(name, on ? (media.track ?? null) : null);
    const state: Pick<WireTrack, "state" | "blocked"> =
      media.state === "blocked" ? { state: "blocked", blocked: media.blocked ?? {} } : { state: on ? "playable" : "off" };
    const news = JSON.stringify(state);
    if (!this.isOpen() || outgoing.media !== media || news === outgoing.told) return;
    outgoing.told = news;
    // Not waited for: a slow reply must not hold up a mute. Requests keep their order by themselves.
    this.deps.tell(name, state).catch(() => undefined);
  }

  /** Asked again after every wait: the meeting may have ended meanwhile. */
  private isOpen(): boolean {
    return this.open;
  }

  private allowed(name: TrackName): boolean {
    return typeof this.canSend === "boolean" ? this.canSend : this.canSend.has(name);
  }
}
