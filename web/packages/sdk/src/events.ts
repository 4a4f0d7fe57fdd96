/** Every event by name with its payload; each one also carries `action` and `callClientId`. */

import type {
  DailyAccess,
  DailyCameraErrorObject,
  DailyDeviceInfos,
  DailyFatalError,
  DailyMeetingSessionSummary,
  DailyNetworkStats,
  DailyReceiveSettings,
  DailySendSettings,
  DailyParticipant,
  DailyParticipantCounts,
  DailyParticipantsObject,
  DailyWaitingParticipant,
} from "./types";

/** Keys that all telephony events may carry. Errors and warnings always have `errorMsg`. */
export interface TelephonyPayload {
  provider?: string;
  sessionId?: string;
  sipCallId?: string;
  userId?: string | null;
  actionTraceId?: string;
}

export interface DialInPayload extends TelephonyPayload {
  sipHeaders?: Record<string, string>;
  sipFrom?: string;
  sipEndpoint?: string;
}

export interface DialOutPayload extends TelephonyPayload {
  origin?: string;
  destination?: string;
  callerId?: string;
}

export interface DialInErrorPayload extends DialInPayload {
  errorMsg: string;
  type?: "start-failed" | null;
  details?: { sipEndpoint?: string };
}

/** Ringback: `heldBy` is who put the other on hold, or did until now. */
export interface HoldPayload extends DialInPayload, DialOutPayload {
  heldBy: "far-end" | "room";
}

/** Ringback: one step of a transfer. The status is there once it is over, codes as far as they came; `toSessionId` is
 * the call made for it. */
export interface CallTransferPayload {
  sessionId: string;
  fromEndPoint: string;
  toEndPoint: string;
  isSipRefer: boolean;
  isWarm?: true;
  toSessionId?: string;
  completeStatus?: "completed" | "failed" | "busy" | "no-answer" | "canceled";
  referSipResponseCode?: number;
  notifySipResponseCode?: number;
}

export interface DialOutErrorPayload extends DialOutPayload {
  errorMsg: string;
  details?: { destination?: string; sipHeaders?: Record<string, string> };
}

interface ParticipantPayload {
  participant: DailyParticipant;
}

interface TrackPayload {
  participant: DailyParticipant | null;
  track: MediaStreamTrack;
  type: string;
}

/** No payload of its own. */
type Nothing = object;

export interface DailyEventMap {
  loading: Nothing;
  loaded: Nothing;
  "joining-meeting": Nothing;
  "joined-meeting": { participants: Pick<DailyParticipantsObject, "local"> };
  "left-meeting": Nothing;
  "call-instance-destroyed": Nothing;
  error: { errorMsg: string; error?: DailyFatalError };
  "nonfatal-error": { type: string; errorMsg: string; details?: unknown };
  "participant-joined": ParticipantPayload;
  "participant-updated": ParticipantPayload;
  "participant-left": ParticipantPayload & { reason?: "hidden" };
  "participant-counts-updated": { participantCounts: DailyParticipantCounts };
  "track-started": TrackPayload;
  "track-stopped": TrackPayload;
  "active-speaker-change": { activeSpeaker: { peerId: string } };
  "app-message": { data: unknown; fromId: string };
  "started-camera": Nothing;
  "camera-error": {
    error: DailyCameraErrorObject;
    errorMsg: { errorMsg: string; audioOk?: boolean; videoOk?: boolean };
  };
  "available-devices-updated": { availableDevices: MediaDeviceInfo[] };
  "selected-devices-updated": { devices: DailyDeviceInfos };
  "local-screen-share-started": Nothing;
  "local-screen-share-stopped": Nothing;
  "local-screen-share-canceled": Nothing;
  "local-audio-level": { audioLevel: number };
  "remote-participants-audio-level": { participantsAudioLevel: Record<string, number> };
  "network-quality-change": Pick<
    DailyNetworkStats,
    "networkState" | "networkStateReasons" | "threshold" | "quality"
  >;
  "receive-settings-updated": { receiveSettings: DailyReceiveSettings };
  "send-settings-updated": { sendSettings: DailySendSettings };
  "network-connection": {
    type: "signaling" | "peer-to-peer" | "sfu";
    event: "connected" | "interrupted";
    session_id?: string;
    sfu_id?: string;
  };
  "access-state-updated": { access: DailyAccess; awaitingAccess?: { level: "full" } };
  "waiting-participant-added": { participant: DailyWaitingParticipant };
  "waiting-participant-removed": { participant: DailyWaitingParticipant };
  "meeting-session-summary-updated": { meetingSession: DailyMeetingSessionSummary };
  "meeting-session-updated": { meetingSession: DailyMeetingSessionSummary };
  "dialin-ready": { sipEndpoint: string; provider?: string };
  "dialin-connected": DialInPayload;
  "dialin-stopped": DialInPayload;
  "dialin-warning": DialInErrorPayload;
  "dialin-error": DialInErrorPayload;
  "dialout-connected": DialOutPayload;
  "dialout-answered": DialOutPayload;
  "dialout-stopped": DialOutPayload;
  "dialout-warning": DialOutErrorPayload;
  "dialout-error": DialOutErrorPayload;
  "dialin-held": HoldPayload;
  "dialin-resumed": HoldPayload;
  "dialout-held": HoldPayload;
  "dialout-resumed": HoldPayload;
  "calltransfer-triggered": CallTransferPayload;
  "calltransfer-initiated": CallTransferPayload;
  "calltransfer-briefing": CallTransferPayload;
  "calltransfer-merged": CallTransferPayload;
  "calltransfer-answered": CallTransferPayload;
  "calltransfer-completed": CallTransferPayload;
  "dtmf-event": { tone: string; volume: number; method: string; sessionId?: string };
}

export type DailyEvent = keyof DailyEventMap;
export type DailyEventObject<K extends DailyEvent = DailyEvent> = DailyEventMap[K] & {
  action: K;
  callClientId: string;
};
export type DailyEventHandler<K extends DailyEvent> = (event: DailyEventObject<K>) => void;

/** Events whose payload the server writes and the SDK passes on unchanged. */
export const PASSED_ON = [
  "dialin-ready",
  "dialin-connected",
  "dialin-stopped",
  "dialin-warning",
  "dialin-error",
  "dialout-connected",
  "dialout-answered",
  "dialout-stopped",
  "dialout-warning",
  "dialout-error",
  "dialin-held",
  "dialin-resumed",
  "dialout-held",
  "dialout-resumed",
  "calltransfer-triggered",
  "calltransfer-initiated",
  "calltransfer-briefing",
  "calltransfer-merged",
  "calltransfer-answered",
  "calltransfer-completed",
  "dtmf-event",
  "app-message",
  "nonfatal-error",
] as const satisfies readonly DailyEvent[];
