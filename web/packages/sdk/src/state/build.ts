/** Pure: what is known of somebody → the participant an application sees, and what changed between two of them. */

import type { LocalMedia } from "../media/devices";
import type { WireParticipant, WirePermissions, WireTrack } from "../signalling/wire";
import {
  type DailyOff,
  type DailyParticipant,
  type DailyParticipantPermissions,
  type DailyTrackState,
  TRACK_NAMES,
  type TrackName,
} from "../types";

/** How a remote track reaches us. */
export interface Reception {
  subscribed: boolean | "staged";
  track?: MediaStreamTrack;
  interrupted?: boolean;
  refused?: boolean;
}

const EVERYTHING: WirePermissions = { hasPresence: true, canSend: true, canReceive: { base: true }, canAdmin: false };

export function remoteTrack(wire: WireTrack | undefined, reception: Reception): DailyTrackState {
  const { subscribed, track } = reception;
  const base = { subscribed, ...(track && { persistentTrack: track }) };
  if (wire === undefined || wire.state === "off") return { ...base, state: "off", off: wire?.off ?? { byUser: true } };
  if (wire.state === "blocked") return { ...base, state: "blocked", blocked: wire.blocked ?? {} };
  if (reception.refused === true) return { ...base, state: "off", off: { byCanReceivePermission: true } };
  if (subscribed !== true) return { ...base, state: "sendable" };
  if (track === undefined) return { ...base, state: "loading" };
  if (reception.interrupted === true) return { ...base, state: "interrupted" };
  return { ...base, state: "playable", track };
}

export function localTrack(media: LocalMedia, off: DailyOff = { byUser: true }): DailyTrackState {
  const { state, track, blocked } = media;
  const base = { subscribed: true, ...(track && { persistentTrack: track }) };
  if (state === "off") return { ...base, state, off };
  if (state === "blocked") return { ...base, state, blocked: blocked ?? {} };
  return state === "playable" && track ? { ...base, state, track } : { ...base, state: "loading" };
}

export function buildParticipant(
  wire: WireParticipant,
  local: boolean,
  tracks: Record<TrackName, DailyTrackState>,
): DailyParticipant {
  const on = (name: TrackName) => tracks[name].state !== "off" && tracks[name].state !== "blocked";
  const older = (name: TrackName) => tracks[name].track ?? false;
  return {
    session_id: wire.session_id,
    user_id: wire.user_id ?? wire.session_id,
    user_name: wire.user_name ?? "",
    userData: wire.userData ?? undefined,
    local,
    owner: wire.owner ?? false,
    record: wire.record ?? false,
    ...(wire.joined_at ? { joined_at: new Date(wire.joined_at) } : {}),
    will_eject_at: new Date(wire.will_eject_at ?? 0),
    ...(wire.participantType && { participantType: wire.participantType }),
    permissions: permissionsOf(wire.permissions ?? EVERYTHING),
    tracks,
    ...(wire.callState && { callState: wire.callState }),
    ...(wire.onHold !== undefined && { onHold: wire.onHold }),
    ...(wire.heldBy !== undefined && { heldBy: wire.heldBy }),
    ...(wire.sees !== undefined && { sees: wire.sees }),
    audio: on("audio"),
    video: on("video"),
    screen: on("screenVideo"),
    audioTrack: older("audio"),
    videoTrack: older("video"),
    screenAudioTrack: older("screenAudio"),
    screenVideoTrack: older("screenVideo"),
    cam_info: {},
    screen_info: {},
  };
}

function permissionsOf(wire: WirePermissions): DailyParticipantPermissions {
  return {
    hasPresence: wire.hasPresence,
    canSend: Array.isArray(wire.canSend) ? new Set(wire.canSend) : wire.canSend,
    canReceive: wire.canReceive as DailyParticipantPermissions["canReceive"],
    canAdmin: Array.isArray(wire.canAdmin) ? new Set(wire.canAdmin) : wire.canAdmin,
  };
}

export interface TrackChange {
  type: TrackName;
  track: MediaStreamTrack;
}

/** Which tracks stop and start between two views of somebody: playable or not, or another track object. */
export function trackChanges(
  before: DailyParticipant | undefined,
  after: DailyParticipant | undefined,
): { stopped: TrackChange[]; started: TrackChange[] } {
  const stopped: TrackChange[] = [];
  const started: TrackChange[] = [];
  for (const type of TRACK_NAMES) {
    const old = before?.tracks[type].track;
    const now = after?.tracks[type].track;
    if (old === now) continue;
    if (old) stopped.push({ type, track: old });
    if (now) started.push({ type, track: now });
  }
  return { stopped, started };
}

/** By value for plain data, dates and sets; by identity for tracks and anything else. */
export function same(a: unknown, b: unknown): boolean {
  if (Object.is(a, b)) return true;
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (a instanceof Set && b instanceof Set) return a.size === b.size && [...a].every((one) => b.has(one));
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((one, i) => same(one, b[i]));
  if (!isPlain(a) || !isPlain(b)) return false;
  const keys = new Set([...Object.keys(a), ...Object.keys(b)]);
  return [...keys].every((key) => same(a[key], b[key]));
}

function isPlain(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
