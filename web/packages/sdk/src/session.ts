/** One stay in a meeting: the signalling, the peer connection and the roster, each told what the others heard. */

import { Emitter } from "./emitter";
import type { Engine } from "./engine";
import { type DailyEventMap, PASSED_ON } from "./events";
import { PeerManager } from "./media/peer";
import { SignallingConnection } from "./signalling/connection";
import {
  bareRoomUrl,
  type EventFrame,
  type JoinReply,
  type JoinRequest,
  type OfferReply,
  type SendLayers,
  signallingUrl,
  type WireParticipant,
} from "./signalling/wire";
import type { Roster } from "./state/roster";
import { waitingOf } from "./state/waiting";
import type { DailyFatalError, DailyFatalErrorType, DailyWaitingParticipant, TrackName } from "./types";
import { VERSION } from "./version";

/** An event whose payload is passed on to the application as the server wrote it. */
export interface PassedOn {
  name: (typeof PASSED_ON)[number];
  payload: Record<string, unknown>;
}

export interface SessionEvents {
  /** In. Everything of the reply but the other participants, who are in the roster right after. */
  joined: JoinReply;
  /** The server's view of ourselves changed. */
  local: WireParticipant;
  speaker: string;
  /** Somebody who may asks us to change what we send (`setAudio`, `setVideo`, `setScreenShare`). */
  asked: Partial<Record<"setAudio" | "setVideo" | "setScreenShare", boolean>>;
  passed: PassedOn;
  /** Somebody waits at the door, or no longer does. */
  waiting: { person: DailyWaitingParticipant; gone: boolean };
  /** All who wait there. */
  waitingAll: DailyWaitingParticipant[];
  network: DailyEventMap["network-connection"];
  /** Back, but the server may not know what we said meanwhile. */
  resynced: undefined;
  /** It is over, and this is why. */
  fatal: DailyFatalError;
}

export interface JoinOptions {
  url: string;
  token?: string;
  userName?: string;
  userData?: unknown;
}

export interface SessionSettings {
  /** Servers that help to find a path, for the next peer connection. */
  ice?: () => Pick<RTCConfiguration, "iceServers" | "iceTransportPolicy">;
  encodings?: (name: TrackName) => RTCRtpEncodingParameters[] | undefined;
}

const PASSED = new Set<string>(PASSED_ON);

export class Session extends Emitter<SessionEvents> {
  readonly peer: PeerManager;
  private readonly connection: SignallingConnection;
  private readonly onOnline = () => this.connection.handleOnline();
  private over = false;

  constructor(
    engine: Engine,
    private readonly roster: Roster,
    { ice, encodings }: SessionSettings = {},
  ) {
    super();
    this.connection = new SignallingConnection(engine);
    this.peer = new PeerManager({
      createPeer: () => engine.createPeer(ice?.() ?? {}),
      offer: async (request) => (await this.connection.request("offer", request)) as unknown as OfferReply,
      ...(encodings && { encodings }),
    });
    this.wire();
  }

  /** Rejects with a `SignallingError` that says why not. */
  async join(options: JoinOptions): Promise<void> {
    await this.connection.join(signallingUrl(options.url), requestOf(options));
  }

  /** Asks to be let in, and joins once somebody opens. Whether they did. Rejects as `join` does. */
  async knock(options: JoinOptions): Promise<boolean> {
    return (await this.connection.knock(signallingUrl(options.url), requestOf(options))) !== null;
  }

  request(type: string, fields: object = {}, retry = true): Promise<Record<string, unknown>> {
    return this.connection.request(type, fields, retry);
  }

  leave(): void {
    this.over = true;
    this.connection.leave();
    this.close();
  }

  // ── wiring ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private wire(): void {
    this.connection.on("joined", (reply) => this.handleJoined(reply));
    this.connection.on("event", (frame) => this.handleEvent(frame));
    this.connection.on("interrupted", () => this.emit("network", { type: "signaling", event: "interrupted" }));
    this.connection.on("resumed", (reply) => this.handleResumed(reply));
    this.connection.on("lost", ({ message }) =>
      this.end({ type: "connection-error", msg: message, details: { on: "reconnect" } }),
    );
    this.peer.on("received", ({ subscription, track }) => this.roster.handleReceived(subscription, track));
    this.peer.on("gone", ({ subscription, refused }) => {
      if (refused === undefined) this.roster.handleGone(subscription);
      else this.roster.handleReceived(subscription, undefined);
    });
    this.peer.on("path", (event) => {
      this.roster.setInterrupted(event === "interrupted");
      this.emit("network", { type: "sfu", event });
    });
    this.peer.on("failed", (error) => this.handlePeerFailed(error));
    this.roster.on("wanted", this.onWanted);
    if (typeof addEventListener === "function") addEventListener("online", this.onOnline);
  }

  private readonly onWanted = () => this.peer.setReceive(this.roster.subscriptions());

  private handleJoined(reply: JoinReply): void {
    this.emit("joined", reply);
    for (const participant of reply.participants) this.roster.apply(participant);
    this.emit("waitingAll", (reply.waiting ?? []).map(waitingOf));
    this.emit("network", { type: "signaling", event: "connected" });
  }

  private handleResumed(reply: JoinReply): void {
    if (reply.resync === true) {
      this.roster.replaceAll(reply.participants);
      this.emit("local", reply.local);
      this.emit("waitingAll", (reply.waiting ?? []).map(waitingOf));
      for (const limits of reply.send_layers ?? []) this.handleSendLayers(limits);
      this.emit("resynced", undefined);
    }
    this.peer.handleSignallingResumed();
    this.emit("network", { type: "signaling", event: "connected" });
  }

  private handleEvent({ event, payload }: EventFrame): void {
    switch (event) {
      case "participant-joined":
      case "participant-updated": {
        const wire = payload.participant as WireParticipant;
        if (wire.session_id === this.roster.localParticipant()?.session_id) this.emit("local", wire);
        else this.roster.apply(wire);
        return;
      }
      case "participant-left": {
        const { session_id } = payload.participant as WireParticipant;
        this.roster.remove(session_id, payload.reason === "hidden" ? "hidden" : undefined);
        return;
      }
      case "waiting-participant-added":
      case "waiting-participant-removed":
        this.emit("waiting", { person: waitingOf(payload.participant), gone: event.endsWith("removed") });
        return;
      case "participant-counts-updated":
        this.roster.setHidden((payload.participantCounts as { hidden?: number } | undefined)?.hidden ?? 0);
        return;
      case "active-speaker-change":
        this.emit("speaker", (payload.activeSpeaker as { peerId?: string } | undefined)?.peerId ?? "");
        return;
      case "send-layers":
        this.handleSendLayers(payload as unknown as SendLayers);
        return;
      case "remote-request":
        this.emit("asked", (payload.changes ?? {}));
        return;
      case "error":
        this.end(fatalOf(payload));
        return;
      default:
        if (PASSED.has(event)) this.emit("passed", { name: event as PassedOn["name"], payload });
    }
  }

  /** What a browser refuses to encode differently is made to fit by the server. */
  private handleSendLayers({ track, layers }: SendLayers): void {
    this.peer.limit(track, layers).catch(() => {});
  }

  private handlePeerFailed(error: Error): void {
    this.end({ type: "connection-error", msg: `Sound and picture failed: ${error.message}`, details: { on: "rtc-connection" } });
  }

  private end(error: DailyFatalError): void {
    if (this.over) return;
    this.over = true;
    this.connection.close();
    this.close();
    this.emit("fatal", error);
  }

  private close(): void {
    this.peer.close();
    this.roster.off("wanted", this.onWanted);
    if (typeof removeEventListener === "function") removeEventListener("online", this.onOnline);
  }
}

function requestOf({ url, token, userName, userData }: JoinOptions): JoinRequest {
  return {
    room: bareRoomUrl(url),
    ...(token && { token }),
    ...(userName !== undefined && { userName }),
    ...(userData !== undefined && { userData }),
    receive: true,
    client: { name: "ringback-js", version: VERSION },
  };
}

function fatalOf(payload: Record<string, unknown>): DailyFatalError {
  const { type, msg } = (payload.error ?? {}) as { type?: string; msg?: string };
  const words = typeof payload.errorMsg === "string" ? payload.errorMsg : "The meeting ended.";
  return { type: (type ?? "connection-error") as DailyFatalErrorType, msg: msg ?? words };
}
