/**
 * Who is in the meeting, as the application sees it, and which of their streams we want.
 *
 * Order on every change: `track-stopped`, `track-started` while `participants()` still has the old object, then the
 * object is replaced, then `participant-updated`. What changes nothing tells nothing.
 */

import { Emitter } from "../emitter";
import type { DailyEventMap } from "../events";
import type { LocalMedia } from "../media/devices";
import type { Subscription } from "../media/peer";
import type { WireParticipant } from "../signalling/wire";
import {
  type DailyOff,
  type DailyParticipant,
  type DailyParticipantCounts,
  type DailyParticipantsObject,
  type SubscriptionChoice,
  TRACK_NAMES,
  type TrackName,
} from "../types";
import { buildParticipant, localTrack, type Reception, remoteTrack, same, trackChanges } from "./build";

export interface RosterEvents
  extends Pick<
    DailyEventMap,
    | "participant-joined"
    | "participant-updated"
    | "participant-left"
    | "participant-counts-updated"
    | "track-started"
    | "track-stopped"
  > {
  /** The list of wanted streams may have changed. */
  wanted: undefined;
}

interface Remote {
  wire: WireParticipant;
  shown: DailyParticipant;
  received: Partial<Record<TrackName, { generation: number; track?: MediaStreamTrack }>>;
  /** The newest stream offered under each name; a muted one stays. */
  offered: Partial<Record<TrackName, number>>;
  choice?: SubscriptionChoice;
}

interface Local {
  wire: WireParticipant;
  shown: DailyParticipant;
  media: Record<TrackName, LocalMedia>;
  off: Partial<Record<TrackName, DailyOff>>;
}

export class Roster extends Emitter<RosterEvents> {
  /** Receive everybody without being told to. */
  automatic = true;
  private local: Local | null = null;
  private readonly remotes = new Map<string, Remote>();
  private interrupted = false;
  private counts: DailyParticipantCounts = { present: 0, hidden: 0 };
  private hidden = 0;

  participants(): DailyParticipantsObject {
    const all: Record<string, DailyParticipant> = {};
    if (this.local !== null) all.local = this.local.shown;
    for (const [id, { shown }] of this.remotes) all[id] = shown;
    return all as DailyParticipantsObject;
  }

  participantCounts(): DailyParticipantCounts {
    return this.counts;
  }

  localParticipant(): DailyParticipant | null {
    return this.local?.shown ?? null;
  }

  /** Every stream we want to receive now. */
  subscriptions(): Subscription[] {
    const wanted: Subscription[] = [];
    for (const [session_id, remote] of this.remotes) {
      for (const track of TRACK_NAMES) {
        const generation = remote.offered[track];
        if (generation !== undefined && this.subscribed(remote, track) === true) {
          wanted.push({ session_id, track, generation });
        }
      }
    }
    return wanted;
  }

  // ── ourselves ─────────────────────────────────────────────────────────────────────────────────────────────────────

  setLocal(wire: WireParticipant): void {
    const before = this.local;
    const off: LocalMedia = { state: "off" };
    const media = before?.media ?? { audio: off, video: off, screenAudio: off, screenVideo: off };
    const local: Local = { wire, media, off: before?.off ?? {}, shown: null as never };
    local.shown = this.showLocal(local);
    if (before === null) this.local = local;
    else this.replaceLocal(local);
  }

  patchLocal(patch: Partial<WireParticipant>): void {
    if (this.local !== null) this.setLocal({ ...this.local.wire, ...patch });
  }

  /** @param off why it is off, when the user did not do it. */
  setLocalMedia(name: TrackName, media: LocalMedia, off?: DailyOff): void {
    if (this.local === null) return;
    const reasons = { ...this.local.off, [name]: off };
    const local: Local = { ...this.local, media: { ...this.local.media, [name]: media }, off: reasons };
    local.shown = this.showLocal(local);
    this.replaceLocal(local);
  }

  private showLocal({ wire, media, off }: Local): DailyParticipant {
    const tracks = mapTracks((name) => localTrack(media[name], off[name]));
    return buildParticipant(wire, true, tracks);
  }

  private replaceLocal(next: Local): void {
    const before = this.local?.shown;
    this.change(before, next.shown, () => (this.local = next));
  }

  // ── the others ────────────────────────────────────────────────────────────────────────────────────────────────────

  /** Somebody came or changed. */
  apply(wire: WireParticipant): void {
    const before = this.remotes.get(wire.session_id);
    if (before !== undefined) {
      const offered = offers(before.offered, wire);
      this.update({ ...before, wire, offered, received: fresh(before.received, offered) });
    } else {
      const remote: Remote = { wire, received: {}, offered: offers({}, wire), shown: null as never };
      remote.shown = this.show(remote);
      this.remotes.set(wire.session_id, remote);
      this.emit("participant-joined", { participant: remote.shown });
      this.recount();
    }
    this.emit("wanted", undefined);
  }

  remove(sessionId: string, reason?: "hidden"): void {
    const remote = this.remotes.get(sessionId);
    if (remote === undefined) return;
    for (const { type, track } of trackChanges(remote.shown, undefined).stopped) {
      this.emit("track-stopped", { participant: remote.shown, track, type });
    }
    this.remotes.delete(sessionId);
    this.emit("participant-left", { participant: remote.shown, ...(reason && { reason }) });
    this.recount();
    this.emit("wanted", undefined);
  }

  /** After a resync: these are all there are. */
  replaceAll(wires: readonly WireParticipant[]): void {
    const present = new Set(wires.map(({ session_id }) => session_id));
    for (const id of [...this.remotes.keys()]) if (!present.has(id)) this.remove(id);
    for (const wire of wires) this.apply(wire);
  }

  setHidden(hidden: number): void {
    this.hidden = hidden;
    this.recount();
  }

  /** @returns false for somebody who is not here. */
  choose(sessionId: string, choice: SubscriptionChoice): boolean {
    const remote = this.remotes.get(sessionId);
    if (remote === undefined) return false;
    const merged =
      typeof choice === "object" && typeof remote.choice === "object" ? { ...remote.choice, ...choice } : choice;
    this.update({ ...remote, choice: merged });
    this.emit("wanted", undefined);
    return true;
  }

  setAutomatic(on: boolean): void {
    // What is received stays received until the application chooses otherwise.
    if (!on) for (const remote of this.remotes.values()) remote.choice ??= true;
    this.automatic = on;
    for (const remote of [...this.remotes.values()]) this.update({ ...remote });
    this.emit("wanted", undefined);
  }

  ids(): string[] {
    return [...this.remotes.keys()];
  }

  // ── media ─────────────────────────────────────────────────────────────────────────────────────────────────────────

  handleReceived({ session_id, track, generation }: Subscription, media: MediaStreamTrack | undefined): void {
    const remote = this.remotes.get(session_id);
    if (remote?.offered[track] !== generation) return;
    const entry = media === undefined ? { generation } : { generation, track: media };
    this.update({ ...remote, received: { ...remote.received, [track]: entry } });
  }

  handleGone({ session_id, track, generation }: Subscription): void {
    const remote = this.remotes.get(session_id);
    if (remote?.received[track]?.generation !== generation) return;
    this.update({ ...remote, received: { ...remote.received, [track]: undefined } });
  }

  setInterrupted(interrupted: boolean): void {
    this.interrupted = interrupted;
    for (const remote of [...this.remotes.values()]) this.update({ ...remote });
  }

  clear(): void {
    this.local = null;
    this.remotes.clear();
    this.interrupted = false;
    this.counts = { present: 0, hidden: 0 };
    this.hidden = 0;
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private subscribed({ choice }: Remote, track: TrackName): boolean | "staged" {
    if (this.automatic || choice === undefined) return this.automatic;
    if (choice === "avatar") return false;
    return typeof choice === "object" ? (choice[track] ?? false) : choice;
  }

  private show(remote: Remote): DailyParticipant {
    const tracks = mapTracks((name) => {
      const received = remote.received[name];
      const reception: Reception = {
        subscribed: this.subscribed(remote, name),
        interrupted: this.interrupted,
        refused: received !== undefined && received.track === undefined,
        ...(received?.track && { track: received.track }),
      };
      return remoteTrack(remote.wire.tracks?.[name], reception);
    });
    return buildParticipant(remote.wire, false, tracks);
  }

  private update(next: Remote): void {
    const before = this.remotes.get(next.wire.session_id)?.shown;
    next.shown = this.show(next);
    const write = () => this.remotes.set(next.wire.session_id, next);
    if (!this.change(before, next.shown, write)) {
      if (before !== undefined) next.shown = before;
      write();
    }
  }

  /** The order contract. Returns whether anything changed. */
  private change(before: DailyParticipant | undefined, after: DailyParticipant, write: () => unknown): boolean {
    if (same(before, after)) return false;
    const { stopped, started } = trackChanges(before, after);
    for (const { type, track } of stopped) this.emit("track-stopped", { participant: after, track, type });
    for (const { type, track } of started) this.emit("track-started", { participant: after, track, type });
    write();
    this.emit("participant-updated", { participant: after });
    return true;
  }

  private recount(): void {
    const seen = [...this.remotes.values()].filter(({ wire }) => wire.permissions?.hasPresence ?? true).length;
    const counts = { present: seen + (this.local?.shown.permissions.hasPresence === false ? 0 : 1), hidden: this.hidden };
    if (same(counts, this.counts)) return;
    this.counts = counts;
    this.emit("participant-counts-updated", { participantCounts: counts });
  }
}

/** What is offered now: a track that was never on has no stream yet, one that is off for now keeps its own. */
function offers(before: Remote["offered"], wire: WireParticipant): Remote["offered"] {
  const now = { ...before };
  for (const name of TRACK_NAMES) {
    const track = wire.tracks?.[name];
    const generation = track?.generation ?? 0;
    if (track !== undefined && (generation > 0 || track.state === "playable")) now[name] = generation;
  }
  return now;
}

/** Forgets what was received of older generations. */
function fresh(received: Remote["received"], offered: Remote["offered"]): Remote["received"] {
  const kept = TRACK_NAMES.filter((name) => received[name] && received[name].generation === offered[name]);
  return Object.fromEntries(kept.map((name) => [name, received[name]]));
}

function mapTracks<T>(make: (name: TrackName) => T): Record<TrackName, T> {
  return {
    audio: make("audio"),
    video: make("video"),
    screenAudio: make("screenAudio"),
    screenVideo: make("screenVideo"),
  };
}
