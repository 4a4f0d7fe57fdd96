/**
 * The one peer connection with the server. Only we make offers, one at a time; whatever changes meanwhile goes into
 * the next. A track that is sent keeps its m-line for good (muting replaces the track by nothing); each stream that is
 * received has an m-line of its own, stopped when it is not wanted any more.
 */

import { Emitter } from "../emitter";
import { type LayerLimit, withinLimits } from "../settings/send";
import { type OfferReply, type OfferRequest, SignallingError } from "../signalling/wire";
import type { TrackName } from "../types";

const DISCONNECTED_PATIENCE_MS = 3_000;
const LONGEST_RESTART_PAUSE_MS = 15_000;
/** Pauses before a refused offer is made again; after the last refusal the meeting is given up. */
const OFFER_RETRY_PAUSES_MS = [500, 2_000];

/** One stream of somebody's: a new generation is another stream. */
export interface Subscription {
  session_id: string;
  track: TrackName;
  generation: number;
}

export interface PeerEvents {
  /** Negotiated: media can arrive on `track`. */
  received: { subscription: Subscription; track: MediaStreamTrack };
  /** Not received any more, or refused by the server (with its reason). */
  gone: { subscription: Subscription; refused?: string };
  /** Whether packets can flow. */
  path: "connected" | "interrupted";
  /** The server refused an offer again and again: nothing more can be sent or received. */
  failed: Error;
}

export interface PeerDeps {
  createPeer: () => RTCPeerConnection;
  /** Takes an offer to the server. Rejects when it was refused, or never answered. */
  offer: (request: OfferRequest) => Promise<OfferReply>;
  /** How a picture is encoded, the lowest layer first. */
  encodings?: (name: TrackName) => RTCRtpEncodingParameters[] | undefined;
}

interface Receiving {
  subscription: Subscription;
  transceiver: RTCRtpTransceiver;
  announced: boolean;
}

export class PeerManager extends Emitter<PeerEvents> {
  private peer: RTCPeerConnection | null = null;
  private readonly sending = new Map<TrackName, RTCRtpTransceiver>();
  private readonly receiving = new Map<string, Receiving>();
  private readonly limits = new Map<TrackName, readonly LayerLimit[]>();
  private unpublished: { transceiver: RTCRtpTransceiver; resolve: () => void }[] = [];
  private path: "new" | "connected" | "interrupted" = "new";
  private negotiating = false;
  private stale = false;
  private unanswered = false;
  private refusals = 0;
  private offerTimer: ReturnType<typeof setTimeout> | undefined;
  private restarts = 0;
  private restartTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly deps: PeerDeps) {
    super();
  }

  /** What to send as `name`; null pauses it and keeps the m-line. Resolves once the server knows the m-line. */
  async setSend(name: TrackName, track: MediaStreamTrack | null): Promise<void> {
    const existing = this.sending.get(name);
    if (existing !== undefined) {
      await existing.sender.replaceTrack(track);
      return;
    }
    if (track === null) return;
    const sendEncodings = this.encodings(name);
    const init: RTCRtpTransceiverInit = { direction: "sendonly", ...(sendEncodings && { sendEncodings }) };
    const transceiver = this.ensurePeer().addTransceiver(track, init);
    this.sending.set(name, transceiver);
    this.renegotiate();
    await new Promise<void>((resolve) => this.unpublished.push({ transceiver, resolve }));
  }

  /** What is sent already is encoded as the settings say now. */
  async applyEncodings(): Promise<void> {
    for (const [name, { sender }] of this.sending) {
      const wanted = this.encodings(name);
      if (wanted === undefined) continue;
      const parameters = sender.getParameters();
      parameters.encodings.forEach((encoding, at) => {
        delete encoding.maxBitrate;
        delete encoding.maxFramerate;
        Object.assign(encoding, { ...wanted[at], rid: encoding.rid });
      });
      await sender.setParameters(parameters);
    }
  }

  /** What the layers of a picture are to be at most besides: the whole table. */
  async limit(name: TrackName, limits: readonly LayerLimit[]): Promise<void> {
    this.limits.set(name, limits);
    await this.applyEncodings();
  }

  private encodings(name: TrackName): RTCRtpEncodingParameters[] | undefined {
    const wanted = this.deps.encodings?.(name);
    return wanted && withinLimits(wanted, this.limits.get(name) ?? []);
  }

  /** The whole list of streams to receive; what is not in it stops. */
  setReceive(wanted: readonly Subscription[]): void {
    const keys = new Set(wanted.map(keyOf));
    let changed = false;
    for (const [key, receiving] of this.receiving) {
      if (keys.has(key)) continue;
      this.drop(key, receiving);
      changed = true;
    }
    for (const subscription of wanted) {
      if (this.receiving.has(keyOf(subscription))) continue;
      const kind = subscription.track === "audio" || subscription.track === "screenAudio" ? "audio" : "video";
      const transceiver = this.ensurePeer().addTransceiver(kind, { direction: "recvonly" });
      this.receiving.set(keyOf(subscription), { subscription, transceiver, announced: false });
      changed = true;
    }
    if (changed) this.renegotiate();
  }

  /** The signalling is back: an interrupted media path is tried again at once. */
  handleSignallingResumed(): void {
    if (this.path === "interrupted") this.restart();
    else if (this.unanswered) this.renegotiate();
  }

  getStats(): Promise<RTCStatsReport | null> {
    return this.peer?.getStats() ?? Promise.resolve(null);
  }

  close(): void {
    clearTimeout(this.restartTimer);
    clearTimeout(this.offerTimer);
    const peer = this.peer;
    this.peer = null;
    for (const { resolve } of this.unpublished) resolve();
    this.unpublished = [];
    this.sending.clear();
    this.receiving.clear();
    if (peer === null) return;
    peer.onconnectionstatechange = null;
    peer.close();
  }

  // ── offers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private ensurePeer(): RTCPeerConnection {
    if (this.peer !== null) return this.peer;
    const peer = this.deps.createPeer();
    peer.onconnectionstatechange = () => this.handleConnectionState(peer.connectionState);
    this.peer = peer;
    return peer;
  }

  private renegotiate(): void {
    this.stale = true;
    if (this.negotiating) return;
    this.negotiating = true;
    // Changes of the same turn share an offer.
    queueMicrotask(() => void this.negotiate());
  }

  private async negotiate(): Promise<void> {
    try {
      while (this.stale && this.peer !== null) {
        this.stale = false;
        await this.exchange(this.peer);
      }
    } finally {
      this.negotiating = false;
    }
  }

  private async exchange(peer: RTCPeerConnection): Promise<void> {
    try {
      await peer.setLocalDescription(await peer.createOffer());
      const reply = await this.deps.offer({ sdp: peer.localDescription?.sdp ?? "", ...this.tables() });
      if (!this.isCurrent(peer)) return;
      this.unanswered = false;
      this.refusals = 0;
      await peer.setRemoteDescription({ type: "answer", sdp: reply.sdp });
      if (this.isCurrent(peer)) this.announce(reply.refused ?? []);
    } catch (error) {
      if (!this.isCurrent(peer)) return;
      this.unanswered = true;
      if (peer.signalingState === "have-local-offer") await peer.setLocalDescription({ type: "rollback" });
      this.handleRefusal(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** A lost connection is mended elsewhere, and the offer is made again then. */
  private handleRefusal(error: Error): void {
    if (error instanceof SignallingError && error.type === "connection-error") return;
    const pause = OFFER_RETRY_PAUSES_MS[this.refusals];
    this.refusals += 1;
    if (pause === undefined) this.emit("failed", error);
    else this.offerTimer = setTimeout(() => this.renegotiate(), pause);
  }

  private tables(): Pick<OfferRequest, "send" | "receive"> {
    const send: OfferRequest["send"] = [];
    for (const [track, { mid }] of this.sending) if (mid !== null) send.push({ mid, track });
    const receive: OfferRequest["receive"] = [];
    for (const { subscription, transceiver } of this.receiving.values()) {
      const { session_id, track } = subscription;
      if (transceiver.mid !== null) receive.push({ mid: transceiver.mid, session_id, track });
    }
    return { send, receive };
  }

  /** After an answer: tells of every stream that was new in the offer. Those added since wait for the next. */
  private announce(refused: { mid: string; reason: string }[]): void {
    const published = this.unpublished.filter(({ transceiver }) => transceiver.mid !== null);
    this.unpublished = this.unpublished.filter(({ transceiver }) => transceiver.mid === null);
    for (const { resolve } of published) resolve();
    for (const [key, receiving] of [...this.receiving]) {
      const { subscription, transceiver } = receiving;
      if (receiving.announced || transceiver.mid === null) continue;
      const refusal = refused.find(({ mid }) => mid === transceiver.mid);
      if (refusal !== undefined) {
        this.drop(key, receiving, refusal.reason);
        this.stale = true;
        continue;
      }
      receiving.announced = true;
      this.emit("received", { subscription, track: transceiver.receiver.track });
    }
  }

  private drop(key: string, { subscription, transceiver }: Receiving, refused?: string): void {
    this.receiving.delete(key);
    transceiver.stop();
    this.emit("gone", refused === undefined ? { subscription } : { subscription, refused });
  }

  // ── the path ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private handleConnectionState(state: RTCPeerConnectionState): void {
    if (state === "connected") {
      clearTimeout(this.restartTimer);
      this.restarts = 0;
      this.setPath("connected");
    } else if (state === "disconnected" || state === "failed") {
      this.setPath("interrupted");
      clearTimeout(this.restartTimer);
      const pause = state === "failed" ? restartPause(this.restarts) : DISCONNECTED_PATIENCE_MS;
      this.restartTimer = setTimeout(() => this.restart(), pause);
    }
  }

  /** A new ICE session on the same connection, so that keys and streams survive a change of network. */
  private restart(): void {
    clearTimeout(this.restartTimer);
    if (this.peer === null) return;
    this.restarts += 1;
    this.peer.restartIce();
    this.renegotiate();
    this.restartTimer = setTimeout(() => {
      if (this.path === "interrupted") this.restart();
    }, LONGEST_RESTART_PAUSE_MS);
  }

  private setPath(path: "connected" | "interrupted"): void {
    if (this.path === path) return;
    this.path = path;
    this.emit("path", path);
  }

  private isCurrent(peer: RTCPeerConnection): boolean {
    return this.peer === peer;
  }
}

function keyOf({ session_id, track, generation }: Subscription): string {
  return `${session_id}/${track}/${generation}`;
}

function restartPause(restarts: number): number {
  return restarts === 0 ? 0 : Math.min(1_000 * 2 ** restarts, LONGEST_RESTART_PAUSE_MS);
}
