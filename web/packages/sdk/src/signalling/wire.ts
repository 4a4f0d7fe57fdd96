/** The frames of the signalling protocol (docs/signalling.md), and how a room's URL leads to it. */

import type { LayerLimit } from "../settings/send";
import type { DailyBlocked, DailyOff, DailyParticipantType, RingbackSeen, TrackName } from "../types";

export interface WireTrack {
  state: "off" | "blocked" | "playable";
  generation?: number;
  off?: DailyOff;
  blocked?: DailyBlocked;
}

export interface WirePermissions {
  hasPresence: boolean;
  canSend: boolean | string[];
  canReceive: { base: boolean | Record<string, boolean>; byUserId?: object; byParticipantId?: object };
  canAdmin: boolean | string[];
}

export interface WireParticipant {
  session_id: string;
  user_id: string | null;
  user_name: string | null;
  userData?: unknown;
  owner?: boolean;
  record?: boolean;
  joined_at?: string | null;
  will_eject_at?: string | null;
  participantType?: DailyParticipantType;
  permissions?: WirePermissions;
  tracks?: Partial<Record<TrackName, WireTrack>>;
  callState?: "ringing" | "answered";
  onHold?: boolean;
  heldBy?: ("far-end" | "room")[];
  sees?: RingbackSeen;
}

export interface WireRoom {
  id: string;
  name: string;
  config?: Record<string, unknown>;
  domainConfig?: Record<string, unknown>;
  tokenConfig?: Record<string, unknown>;
  dialInPIN?: string;
}

export interface JoinReply {
  session_id: string;
  resume_secret: string;
  meeting_id: string;
  grace_s: number;
  room: WireRoom;
  local: WireParticipant;
  participants: WireParticipant[];
  /** Who waits at the door, for those who may open it. */
  waiting?: unknown[];
  seq: number;
  resync?: boolean;
  /** With `resync`: what the layers of our tracks are to be at most. */
  send_layers?: SendLayers[];
}

export interface SendLayers {
  track: TrackName;
  layers: LayerLimit[];
}

export interface JoinRequest {
  room: string;
  token?: string;
  userName?: string;
  userData?: unknown;
  receive: boolean;
  client: { name: string; version: string };
}

export interface ReceiveEntry {
  mid: string;
  session_id: string;
  track: TrackName;
}

export interface OfferRequest {
  sdp: string;
  send: { mid: string; track: TrackName }[];
  receive: ReceiveEntry[];
}

export interface OfferReply {
  sdp: string;
  refused?: { mid: string; reason: string }[];
}

export interface ReplyFrame {
  type: "reply";
  id: number | null;
  ok: boolean;
  error?: { type: string; msg: string; mayKnock?: boolean };
  [field: string]: unknown;
}

export interface EventFrame {
  type: "event";
  seq: number;
  event: string;
  payload: Record<string, unknown>;
}

/** The server said no, or could not be reached (`type` is then `connection-error`). `msg` is a sentence for people. */
export class SignallingError extends Error {
  constructor(
    readonly type: string,
    message: string,
    /** Somebody inside may open the door. */
    readonly mayKnock = false,
  ) {
    super(message);
    this.name = "SignallingError";
  }
}

/** `https://host/<room>?t=…` → `wss://host/rtc`. Throws `TypeError` for what is no http(s) URL. */
export function signallingUrl(roomUrl: string): string {
  const url = new URL(roomUrl);
  if (url.protocol !== "http:" && url.protocol !== "https:") {
    throw new TypeError(`a room URL starts with https:// or http://, got ${url.protocol}`);
  }
  return `${url.protocol === "https:" ? "wss" : "ws"}://${url.host}/rtc`;
}

/** The room's URL as the server is told it: without query and fragment, which may hold a token. */
export function bareRoomUrl(roomUrl: string): string {
  const url = new URL(roomUrl);
  return `${url.origin}${url.pathname}`;
}

/** A frame from the server, or null for anything else. */
export function parseFrame(data: unknown): ReplyFrame | EventFrame | null {
  if (typeof data !== "string") return null;
  let frame: unknown;
  try {
    frame = JSON.parse(data);
  } catch {
    return null;
  }
  if (typeof frame !== "object" || frame === null) return null;
  const { type, seq, event, payload } = frame as Partial<EventFrame>;
  if ((type as string) === "reply") return frame as ReplyFrame;
  if (type === "event" && typeof seq === "number" && typeof event === "string") {
    return { type, seq, event, payload: payload ?? {} };
  }
  return null;
}
