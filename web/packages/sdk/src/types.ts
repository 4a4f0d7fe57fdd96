/** The shapes an application sees: participants, tracks, devices, rooms. Names are daily-js's. */

/** How far we are in: `lobby` may knock. */
export type DailyAccess = "unknown" | { level: "none" | "lobby" | "full" };

/** Somebody who waits at the door to be let in. */
export interface DailyWaitingParticipant {
  id: string;
  name: string;
  awaitingAccess: { level: "full" };
}

export interface DailyWaitingParticipantUpdate {
  grantRequestedAccess: boolean;
}

export type MeetingState =
  | "new"
  | "loading"
  | "loaded"
  | "joining-meeting"
  | "joined-meeting"
  | "left-meeting"
  | "error";

export type TrackName = "audio" | "video" | "screenAudio" | "screenVideo";
export const TRACK_NAMES: readonly TrackName[] = ["audio", "video", "screenAudio", "screenVideo"];

export type DailyTrackStateValue = "blocked" | "off" | "sendable" | "loading" | "interrupted" | "playable";

export interface DailyBlocked {
  byDeviceMissing?: boolean;
  byDeviceInUse?: boolean;
  byPermissions?: boolean;
}

export interface DailyOff {
  byUser?: boolean;
  byRemoteRequest?: boolean;
  byBandwidth?: boolean;
  byCanSendPermission?: boolean;
  byCanReceivePermission?: boolean;
  byServerLimit?: boolean;
}

export interface DailyTrackState {
  subscribed: boolean | "staged";
  state: DailyTrackStateValue;
  blocked?: DailyBlocked;
  off?: DailyOff;
  /** Present only while `state` is `playable`. */
  track?: MediaStreamTrack;
  /** The same object across mute and unmute: the one to attach to an element. */
  persistentTrack?: MediaStreamTrack;
}

export interface DailyReceiveMedia {
  video?: boolean;
  audio?: boolean;
  screenVideo?: boolean;
  screenAudio?: boolean;
}

export interface DailyParticipantPermissions {
  hasPresence: boolean;
  canSend: boolean | Set<string>;
  canReceive: {
    base: boolean | DailyReceiveMedia;
    byUserId?: Record<string, boolean | DailyReceiveMedia>;
    byParticipantId?: Record<string, boolean | DailyReceiveMedia>;
  };
  canAdmin: boolean | Set<string>;
}

export type DailyParticipantType =
  | "remote-media-player"
  | "sip-dial-in"
  | "sip-dial-out"
  | "pstn-dial-in"
  | "pstn-dial-out"
  | "unknown";

/** What a phone with a screen is shown: one alone, the first large and others beside, or all alike. */
export interface RingbackSeen {
  layout: "one" | "speaker" | "grid";
  /** The most important first. */
  tracks: { session_id: string; track: TrackName }[];
}

export interface DailyParticipant {
  session_id: string;
  user_id: string;
  user_name: string;
  userData?: unknown;
  local: boolean;
  owner: boolean;
  record: boolean;
  joined_at?: Date;
  will_eject_at: Date;
  /** Absent for browsers and bots. */
  participantType?: DailyParticipantType;
  permissions: DailyParticipantPermissions;
  tracks: Record<TrackName, DailyTrackState>;
  /** Phones only (Ringback): whether the far end still rings or has answered. */
  callState?: "ringing" | "answered";
  /** Phones only (Ringback): whether either side has put the other on hold, and who. */
  onHold?: boolean;
  heldBy?: ("far-end" | "room")[];
  /** Phones with a screen only (Ringback): what the phone is shown now; absent while that is nothing. */
  sees?: RingbackSeen;
  // What older applications read.
  audio: boolean;
  video: boolean;
  screen: boolean;
  audioTrack?: MediaStreamTrack | false;
  videoTrack?: MediaStreamTrack | false;
  screenAudioTrack?: MediaStreamTrack | false;
  screenVideoTrack?: MediaStreamTrack | false;
  cam_info: Record<string, never>;
  screen_info: Record<string, never>;
}

export type DailyParticipantsObject = { local: DailyParticipant } & Record<string, DailyParticipant>;

export interface DailyParticipantCounts {
  present: number;
  hidden: number;
}

export type SubscriptionChoice = boolean | "staged" | "avatar" | Partial<Record<TrackName, boolean | "staged">>;

export interface DailyParticipantUpdateOptions {
  setAudio?: boolean;
  setVideo?: boolean;
  setScreenShare?: false;
  eject?: true;
  setSubscribedTracks?: SubscriptionChoice;
  updatePermissions?: {
    hasPresence?: boolean;
    canSend?: boolean | string[] | Set<string>;
    canReceive?: Partial<DailyParticipantPermissions["canReceive"]>;
    canAdmin?: boolean | string[] | Set<string>;
  };
}

export interface DailyRoomInfo {
  id: string;
  name: string;
  config: Record<string, unknown>;
  domainConfig: Record<string, unknown>;
  tokenConfig: Record<string, unknown>;
  dialInPIN?: string;
}

export interface DailyPendingRoomInfo {
  roomUrlPendingJoin: string;
}

export interface DailyMeetingSessionSummary {
  id?: string;
}

export type DailyDevice = MediaDeviceInfo | Record<string, never>;

export interface DailyDeviceInfos {
  camera: DailyDevice;
  mic: DailyDevice;
  speaker: DailyDevice;
}

export type DailyCameraErrorType =
  | "permissions"
  | "not-found"
  | "constraints"
  | "cam-in-use"
  | "mic-in-use"
  | "cam-mic-in-use"
  | "undefined-mediadevices"
  | "unknown";

type MediaKindList = ("video" | "audio")[];

export type DailyCameraErrorObject =
  | { type: "permissions"; msg: string; blockedBy: "user" | "browser"; blockedMedia: MediaKindList }
  | { type: "not-found"; msg: string; missingMedia: MediaKindList }
  | { type: "constraints"; msg: string; reason: "invalid" | "none-specified"; failedMedia: MediaKindList }
  | { type: "cam-in-use" | "mic-in-use" | "cam-mic-in-use" | "undefined-mediadevices" | "unknown"; msg: string };

export type DailyFatalErrorType =
  | "ejected"
  | "nbf-room"
  | "nbf-token"
  | "exp-room"
  | "exp-token"
  | "invalid-token"
  | "no-room"
  | "meeting-full"
  | "end-of-life"
  | "not-allowed"
  | "connection-error";

export interface DailyFatalError {
  type: DailyFatalErrorType;
  msg: string;
  details?: Record<string, unknown>;
}

export interface DailyNetworkStats {
  networkState: "good" | "warning" | "bad" | "unknown";
  networkStateReasons: string[];
  threshold: "good" | "low" | "very-low";
  quality: number;
  stats: {
    latest: Partial<Record<string, number | null>>;
    worstVideoRecvPacketLoss?: number | null;
    worstVideoSendPacketLoss?: number | null;
    worstAudioRecvPacketLoss?: number | null;
    worstAudioSendPacketLoss?: number | null;
    averageNetworkRoundTripTime?: number | null;
  };
}

/** `placement` makes no difference: the server brings no ICE servers of its own. */
export interface DailyIceConfig {
  iceServers?: RTCIceServer[];
  placement?: "front" | "back" | "replace";
  iceTransportPolicy?: RTCIceTransportPolicy;
}

/** `layer`: the highest simulcast layer wanted, 0 the lowest. */
export interface DailyTrackReceiveSettings {
  layer?: number;
}

/** By track: `video`, `screenVideo`. */
export type DailySingleParticipantReceiveSettings = Record<string, DailyTrackReceiveSettings>;
/** By session id; `base` is for everybody who is not named. */
export type DailyReceiveSettings = Record<string, DailySingleParticipantReceiveSettings>;
/** `inherit` takes back what was said; `*` is everybody who is named. */
export type DailyReceiveSettingsUpdates = Record<
  string,
  Record<string, { layer?: number | "inherit" } | "inherit" | undefined> | "inherit"
>;

type SendEncoding = Pick<RTCRtpEncodingParameters, "maxBitrate" | "maxFramerate" | "scaleResolutionDownBy" | "active">;
export interface DailyVideoSendSettings {
  maxQuality?: "low" | "medium" | "high";
  encodings?: { low: SendEncoding; medium?: SendEncoding; high?: SendEncoding };
  allowAdaptiveLayers?: boolean;
}

/** A preset's name, or settings. */
export interface DailySendSettings {
  video?: string | DailyVideoSendSettings;
  screenVideo?: string | DailyVideoSendSettings;
}

export interface DailyBrowserInfo {
  supported: boolean;
  mobile: boolean;
  supportsFullscreen: boolean;
  supportsScreenShare: boolean;
  supportsSfu: boolean;
  supportsVideoProcessing: boolean;
  supportsAudioProcessing: boolean;
  name: string;
  version: string;
}

/** A device id, a track of the application's own, `true` for the default device, `false` for never. */
export type MediaSource = string | boolean | MediaStreamTrack;

export interface DailyCallOptions {
  url?: string;
  token?: string;
  userName?: string;
  userData?: unknown;
  startAudioOff?: boolean;
  startVideoOff?: boolean;
  audioSource?: MediaSource;
  videoSource?: MediaSource;
  subscribeToTracksAutomatically?: boolean;
  dailyConfig?: Record<string, unknown>;
  inputSettings?: unknown;
  receiveSettings?: DailyReceiveSettingsUpdates;
  sendSettings?: DailySendSettings;
}

export interface DailyFactoryOptions extends DailyCallOptions {
  allowMultipleCallInstances?: boolean;
  strictMode?: boolean;
}

export type AudioCodec = "OPUS" | "G722" | "PCMU" | "PCMA";
export type VideoCodec = "H264" | "VP8";

export interface DailyStartDialoutOptions {
  sipUri?: string;
  phoneNumber?: string;
  displayName?: string;
  userId?: string;
  callerId?: string;
  video?: boolean;
  videoSettings?: { width?: number; height?: number; fps?: number; videoBitrate?: number };
  codecs?: { audio?: AudioCodec[]; video?: VideoCodec[] };
  permissions?: { canReceive?: Partial<DailyParticipantPermissions["canReceive"]> };
  provider?: "daily" | "signalwire";
  extension?: string;
  waitBeforeExtensionDialSec?: number;
}

export interface DailyStartDialoutResult {
  session?: { sessionId: string };
  sessionId?: string;
}

export interface DailySendDtmfOptions {
  sessionId: string;
  tones: string;
  method?: "auto" | "sip-info" | "telephone-event";
  digitDurationMs?: number;
}

export interface DailySipCallTransferOptions {
  sessionId: string;
  toEndPoint: string;
  callerId?: string;
  extension?: string;
  waitBeforeExtensionDialSec?: number;
}

/** Ringback: `action` is `"start"` when left out. `toEndPoint` and what follows it are of `"start"`. */
export interface WarmTransferOptions {
  sessionId: string;
  action?: "start" | "accept" | "merge" | "return";
  toEndPoint?: string;
  callerId?: string;
  extension?: string;
  waitBeforeExtensionDialSec?: number;
  acceptKey?: string | null;
  briefTimeoutSec?: number;
  holdMusic?: boolean;
}

export interface DailySipReferOptions {
  sessionId: string;
  toEndPoint: string;
}

export interface DailySetInputDevicesOptions {
  audioDeviceId?: string | false;
  audioSource?: MediaStreamTrack | false;
  videoDeviceId?: string | false;
  videoSource?: MediaStreamTrack | false;
}

export interface StartScreenShareOptions {
  displayMediaOptions?: DisplayMediaStreamOptions;
  mediaStream?: MediaStream;
}
