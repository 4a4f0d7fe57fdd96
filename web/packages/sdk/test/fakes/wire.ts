/** Frames as a server writes them. */

import type { JoinReply, WireParticipant } from "../../src/signalling/wire";

export function wireParticipant(session_id: string, more: Partial<WireParticipant> = {}): WireParticipant {
  return {
    session_id,
    user_id: session_id,
    user_name: session_id.toUpperCase(),
    userData: null,
    owner: false,
    record: false,
    joined_at: "2026-03-02T10:16:02.000Z",
    will_eject_at: null,
    permissions: { hasPresence: true, canSend: true, canReceive: { base: true }, canAdmin: false },
    tracks: {
      audio: { state: "off", generation: 0, off: { byUser: true } },
      video: { state: "off", generation: 0, off: { byUser: true } },
      screenAudio: { state: "off", generation: 0 },
      screenVideo: { state: "off", generation: 0 },
    },
    ...more,
  };
}

export function talking(session_id: string, generation = 1, more: Partial<WireParticipant> = {}): WireParticipant {
  const silent = wireParticipant(session_id, more);
  return { ...silent, tracks: { ...silent.tracks, audio: { state: "playable", generation } } };
}

export function joinReply(more: Partial<JoinReply> = {}): JoinReply {
  return {
    session_id: "me",
    resume_secret: "secret",
    meeting_id: "meeting",
    grace_s: 20,
    room: { id: "room", name: "hello", config: {}, domainConfig: { max_app_message_size: 4096 }, tokenConfig: {} },
    local: wireParticipant("me"),
    participants: [],
    seq: 0,
    ...more,
  };
}

/** Lets everything that is ready run: promises, not timers. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 30; turn += 1) await Promise.resolve();
}
