/**
 * A peer connection that negotiates on paper: signalling states, mids, directions and the recycling of stopped m-lines
 * as JSEP (RFC 8829) has them, and errors where a browser throws them. No packets.
 */

import { FakeTrack } from "./devices";

type Direction = "sendonly" | "recvonly" | "inactive" | "stopped";

export class FakeTransceiver {
  mid: string | null = null;
  currentDirection: string | null = null;
  readonly receiver: { track: MediaStreamTrack };
  readonly sender: {
    track: MediaStreamTrack | null;
    replaceTrack: (track: MediaStreamTrack | null) => Promise<void>;
    getParameters: () => { encodings: RTCRtpEncodingParameters[] };
    setParameters: (parameters: { encodings: RTCRtpEncodingParameters[] }) => Promise<void>;
  };

  constructor(
    readonly kind: string,
    public direction: Direction,
    track: MediaStreamTrack | null,
    public encodings: RTCRtpEncodingParameters[] | undefined,
  ) {
    this.receiver = { track: new FakeTrack(kind as "audio").asTrack() };
    this.sender = {
      track,
      replaceTrack: (next) => {
        if (next !== null && next.kind !== kind) return Promise.reject(new TypeError("wrong kind"));
        this.sender.track = next;
        return Promise.resolve();
      },
      getParameters: () => ({ encodings: structuredClone(this.encodings ?? []) }),
      setParameters: ({ encodings }) => {
        this.encodings = encodings;
        return Promise.resolve();
      },
    };
  }

  stop(): void {
    this.direction = "stopped";
  }
}

interface Line {
  transceiver: FakeTransceiver;
  mid: string;
}

export class FakePeer {
  signalingState: "stable" | "have-local-offer" | "closed" = "stable";
  connectionState = "new";
  onconnectionstatechange: (() => void) | null = null;
  localDescription: { type: string; sdp: string } | null = null;
  readonly transceivers: FakeTransceiver[] = [];
  /** How many new ICE sessions were offered. */
  iceRestarts = 0;
  readonly stats = new Map<string, unknown>();
  private lines: Line[] = [];
  private before: Line[] = [];
  private nextMid = 0;
  private restartWanted = false;

  addTransceiver(trackOrKind: MediaStreamTrack | string, init: RTCRtpTransceiverInit): FakeTransceiver {
    this.mustBeOpen();
    const track = typeof trackOrKind === "string" ? null : trackOrKind;
    const kind = typeof trackOrKind === "string" ? trackOrKind : trackOrKind.kind;
    const transceiver = new FakeTransceiver(kind, init.direction as Direction, track, init.sendEncodings);
    this.transceivers.push(transceiver);
    return transceiver;
  }

  createOffer(): Promise<{ type: string; sdp: string }> {
    this.mustBeOpen();
    const sdp = this.planned()
      .map(({ transceiver, mid }) => `${mid}:${transceiver.kind}:${transceiver.direction}`)
      .join("\n");
    return Promise.resolve({ type: "offer", sdp });
  }

  setLocalDescription(description: { type: string; sdp?: string }): Promise<void> {
    this.mustBeOpen();
    if (description.type === "rollback") {
      if (this.signalingState !== "have-local-offer") throw new DOMException("nothing to roll back", "InvalidStateError");
      for (const { transceiver } of this.lines) {
        if (!this.before.some((line) => line.transceiver === transceiver)) transceiver.mid = null;
      }
      this.lines = this.before;
      this.signalingState = "stable";
      return Promise.resolve();
    }
    if (this.signalingState !== "stable") throw new DOMException("an offer is under way", "InvalidStateError");
    this.before = this.lines;
    this.lines = this.planned();
    for (const { transceiver, mid } of this.lines) transceiver.mid = mid;
    this.nextMid = Math.max(this.nextMid, ...this.lines.map(({ mid }) => Number(mid) + 1));
    if (this.restartWanted) this.iceRestarts += 1;
    this.restartWanted = false;
    this.localDescription = { type: "offer", sdp: description.sdp ?? "" };
    this.signalingState = "have-local-offer";
    return Promise.resolve();
  }

  setRemoteDescription({ type }: { type: string; sdp: string }): Promise<void> {
    this.mustBeOpen();
    if (type !== "answer" || this.signalingState !== "have-local-offer") {
      throw new DOMException("an answer without an offer", "InvalidStateError");
    }
    for (const { transceiver } of this.lines) transceiver.currentDirection = transceiver.direction;
    this.signalingState = "stable";
    return Promise.resolve();
  }

  restartIce(): void {
    this.restartWanted = true;
  }

  getStats(): Promise<Map<string, unknown>> {
    return Promise.resolve(this.stats);
  }

  close(): void {
    this.signalingState = "closed";
    this.connectionState = "closed";
  }

  // ── the network ───────────────────────────────────────────────────────────────────────────────────────────────────

  become(state: RTCPeerConnectionState): void {
    this.connectionState = state;
    this.onconnectionstatechange?.();
  }

  asPeer(): RTCPeerConnection {
    return this as unknown as RTCPeerConnection;
  }

  /** §5.2.2: new transceivers take the places of m-lines that were stopped and negotiated, then new places. */
  private planned(): Line[] {
    const lines = [...this.lines];
    let mid = this.nextMid;
    for (const transceiver of this.transceivers) {
      if (lines.some((line) => line.transceiver === transceiver) || transceiver.direction === "stopped") continue;
      const free = lines.findIndex((line) => line.transceiver.currentDirection === "stopped");
      const line = { transceiver, mid: String(mid) };
      mid += 1;
      if (free >= 0) lines[free] = line;
      else lines.push(line);
    }
    return lines;
  }

  private mustBeOpen(): void {
    if (this.signalingState === "closed") throw new DOMException("the connection is closed", "InvalidStateError");
  }
}

export function peerFactory(): { create: () => RTCPeerConnection; peers: FakePeer[] } {
  const peers: FakePeer[] = [];
  const create = () => {
    const peer = new FakePeer();
    peers.push(peer);
    return peer.asPeer();
  };
  return { create, peers };
}
