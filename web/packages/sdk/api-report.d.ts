// ── index ──
import { Call } from "./call";
import type { DailyBrowserInfo, DailyFactoryOptions } from "./types";
declare function createCallObject(options?: DailyFactoryOptions): Call;
declare function getCallInstance(callClientId?: string): Call | undefined;
declare const Daily: {
    createCallObject: typeof createCallObject;
    getCallInstance: typeof getCallInstance;
    supportedBrowser: () => DailyBrowserInfo;
    version: () => string;
};
export default Daily;
export { Call, Call as DailyCall } from "./call";
export { FatalCallError, type InputSettings } from "./call-core";
export type * from "./events";
export type * from "./types";

// ── call ──
import { CallCore, type InputSettings } from "./call-core";
import { type Engine } from "./engine";
import type { DailyAccess, DailyCallOptions, DailyDeviceInfos, DailyFactoryOptions, DailyIceConfig, DailyMeetingSessionSummary, DailyNetworkStats, DailyParticipantCounts, DailyParticipantsObject, DailyParticipantUpdateOptions, DailyPendingRoomInfo, DailyReceiveSettings, DailyReceiveSettingsUpdates, DailyRoomInfo, DailySendDtmfOptions, DailySendSettings, DailySingleParticipantReceiveSettings, DailySipCallTransferOptions, DailySipReferOptions, WarmTransferOptions, DailySetInputDevicesOptions, DailyStartDialoutOptions, DailyStartDialoutResult, DailyWaitingParticipant, DailyWaitingParticipantUpdate, MeetingState, StartScreenShareOptions } from "./types";
export declare class Call extends CallCore {
    constructor(options?: DailyFactoryOptions, engine?: Engine, onDestroyed?: (call: Call) => void);
    meetingState(): MeetingState;
    isDestroyed(): boolean;
    load(options?: DailyCallOptions): Promise<void>;
    startCamera(options?: DailyCallOptions): Promise<DailyDeviceInfos>;
    join(options?: DailyCallOptions): Promise<DailyParticipantsObject | undefined>;
    requestAccess({ name }?: {
        access?: {
            level: "full";
        };
        name?: string;
    }): Promise<{
        access: DailyAccess;
        granted: boolean;
    }>;
    destroy(): Promise<void>;
    participants(): DailyParticipantsObject;
    participantCounts(): DailyParticipantCounts;
    room(_options?: {
        includeRoomConfigDefaults?: boolean;
    }): Promise<DailyRoomInfo | DailyPendingRoomInfo | null>;
    meetingSessionSummary(): DailyMeetingSessionSummary;
    accessState(): {
        access: DailyAccess;
        awaitingAccess?: {
            level: "full";
        };
    };
    waitingParticipants(): Record<string, DailyWaitingParticipant>;
    updateWaitingParticipant(id: string, update: DailyWaitingParticipantUpdate): Promise<{
        id: string;
    }>;
    updateWaitingParticipants(updates: Record<string, DailyWaitingParticipantUpdate>): Promise<{
        ids: string[];
    }>;
    getActiveSpeaker(): {
        peerId?: string;
    };
    setUserName(name: string, _options?: {
        thisMeetingOnly?: boolean;
    }): Promise<{
        userName: string;
    }>;
    setUserData(data: unknown): Promise<{
        userData: unknown;
    }>;
    updateParticipant(sessionId: string, update: DailyParticipantUpdateOptions): this;
    updateParticipants(updates: Record<string, DailyParticipantUpdateOptions>): this;
    localAudio(): boolean | null;
    localVideo(): boolean | null;
    localScreenAudio(): boolean | null;
    localScreenVideo(): boolean | null;
    setLocalAudio(on: boolean, options?: {
        forceDiscardTrack?: boolean;
    }): this;
    setLocalVideo(on: boolean): this;
    startScreenShare(options?: StartScreenShareOptions): void;
    stopScreenShare(): void;
    enumerateDevices(): Promise<{
        devices: MediaDeviceInfo[];
    }>;
    getInputDevices(): Promise<DailyDeviceInfos>;
    setInputDevicesAsync(options: DailySetInputDevicesOptions): Promise<DailyDeviceInfos>;
    setOutputDeviceAsync({ outputDeviceId }: {
        outputDeviceId: string;
    }): Promise<DailyDeviceInfos>;
    updateInputSettings(settings: InputSettings): Promise<{
        inputSettings: InputSettings;
    }>;
    getInputSettings(): Promise<InputSettings>;
    subscribeToTracksAutomatically(): boolean;
    setSubscribeToTracksAutomatically(on: boolean): this;
    startLocalAudioLevelObserver(intervalMs?: number): Promise<void>;
    stopLocalAudioLevelObserver(): void;
    isLocalAudioLevelObserverRunning(): boolean;
    getLocalAudioLevel(): number;
    startRemoteParticipantsAudioLevelObserver(intervalMs?: number): Promise<void>;
    stopRemoteParticipantsAudioLevelObserver(): void;
    isRemoteParticipantsAudioLevelObserverRunning(): boolean;
    getRemoteParticipantsAudioLevel(): Record<string, number>;
    getNetworkStats(): Promise<DailyNetworkStats>;
    getNetworkTopology(): Promise<{
        topology: "sfu" | "none";
    }>;
    getReceiveSettings(): Promise<DailyReceiveSettings>;
    getReceiveSettings(id: string, options?: {
        showInheritedValues?: boolean;
    }): Promise<DailySingleParticipantReceiveSettings>;
    updateReceiveSettings(updates: DailyReceiveSettingsUpdates): Promise<DailyReceiveSettings>;
    setIceConfig(config: DailyIceConfig): this;
    getSendSettings(): DailySendSettings | null;
    updateSendSettings(settings: DailySendSettings): Promise<DailySendSettings>;
    sendAppMessage(data: unknown, to?: string | string[]): this;
    startDialOut(options: DailyStartDialoutOptions): Promise<DailyStartDialoutResult>;
    stopDialOut({ sessionId }: {
        sessionId: string;
    }): Promise<void>;
    sendDTMF(options: DailySendDtmfOptions): Promise<void>;
    sipCallTransfer(options: DailySipCallTransferOptions): Promise<void>;
    warmTransfer(options: WarmTransferOptions): Promise<{
        sessionId?: string;
    }>;
    sipRefer(options: DailySipReferOptions): Promise<void>;
}

// ── call-core ──
import { Emitter } from "./emitter";
import type { Engine } from "./engine";
import type { DailyEvent, DailyEventHandler, DailyEventMap, DailyEventObject } from "./events";
import type { MediaKind } from "./media/camera-errors";
import { DeviceManager } from "./media/devices";
import { LevelObserver } from "./media/levels";
import { ScreenShare } from "./media/screen";
import { NetworkStats } from "./media/stats";
import { Session, type SessionEvents } from "./session";
import { ReceiveSettings } from "./settings/receive";
import type { JoinReply, WireParticipant } from "./signalling/wire";
import { Publisher } from "./state/publisher";
import { Roster } from "./state/roster";
import { WaitingRoom } from "./state/waiting";
import type { DailyAccess, DailyCallOptions, DailyFactoryOptions, DailyFatalError, DailyMeetingSessionSummary, DailyParticipantsObject, DailyWaitingParticipant, DailySendSettings, MeetingState, TrackName } from "./types";
type AllEvents = {
    [K in DailyEvent]: DailyEventObject<K>;
};
export interface InputSettings {
    audio?: {
        processor?: unknown;
        settings?: MediaTrackConstraints;
    };
    video?: {
        processor?: unknown;
        settings?: MediaTrackConstraints;
    };
}
export declare class FatalCallError extends Error {
    readonly callClientId: string;
    readonly errorMsg: string;
    readonly error: DailyFatalError;
    readonly action = "error";
    constructor(callClientId: string, errorMsg: string, error: DailyFatalError);
}
export declare class CallCore {
    readonly callClientId: string;
        peerId?: string;
    };
    constructor(options: DailyFactoryOptions, engine: Engine);
    on<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this;
    once<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this;
    off<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this;
    leave(): Promise<void>;
}
export {};

// ── events ──
import type { DailyAccess, DailyCameraErrorObject, DailyDeviceInfos, DailyFatalError, DailyMeetingSessionSummary, DailyNetworkStats, DailyReceiveSettings, DailySendSettings, DailyParticipant, DailyParticipantCounts, DailyParticipantsObject, DailyWaitingParticipant } from "./types";
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
    details?: {
        sipEndpoint?: string;
    };
}
export interface HoldPayload extends DialInPayload, DialOutPayload {
    heldBy: "far-end" | "room";
}
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
    details?: {
        destination?: string;
        sipHeaders?: Record<string, string>;
    };
}
interface ParticipantPayload {
    participant: DailyParticipant;
}
interface TrackPayload {
    participant: DailyParticipant | null;
    track: MediaStreamTrack;
    type: string;
}
type Nothing = object;
export interface DailyEventMap {
    loading: Nothing;
    loaded: Nothing;
    "joining-meeting": Nothing;
    "joined-meeting": {
        participants: Pick<DailyParticipantsObject, "local">;
    };
    "left-meeting": Nothing;
    "call-instance-destroyed": Nothing;
    error: {
        errorMsg: string;
        error?: DailyFatalError;
    };
    "nonfatal-error": {
        type: string;
        errorMsg: string;
        details?: unknown;
    };
    "participant-joined": ParticipantPayload;
    "participant-updated": ParticipantPayload;
    "participant-left": ParticipantPayload & {
        reason?: "hidden";
    };
    "participant-counts-updated": {
        participantCounts: DailyParticipantCounts;
    };
    "track-started": TrackPayload;
    "track-stopped": TrackPayload;
    "active-speaker-change": {
        activeSpeaker: {
            peerId: string;
        };
    };
    "app-message": {
        data: unknown;
        fromId: string;
    };
    "started-camera": Nothing;
    "camera-error": {
        error: DailyCameraErrorObject;
        errorMsg: {
            errorMsg: string;
            audioOk?: boolean;
            videoOk?: boolean;
        };
    };
    "available-devices-updated": {
        availableDevices: MediaDeviceInfo[];
    };
    "selected-devices-updated": {
        devices: DailyDeviceInfos;
    };
    "local-screen-share-started": Nothing;
    "local-screen-share-stopped": Nothing;
    "local-screen-share-canceled": Nothing;
    "local-audio-level": {
        audioLevel: number;
    };
    "remote-participants-audio-level": {
        participantsAudioLevel: Record<string, number>;
    };
    "network-quality-change": Pick<DailyNetworkStats, "networkState" | "networkStateReasons" | "threshold" | "quality">;
    "receive-settings-updated": {
        receiveSettings: DailyReceiveSettings;
    };
    "send-settings-updated": {
        sendSettings: DailySendSettings;
    };
    "network-connection": {
        type: "signaling" | "peer-to-peer" | "sfu";
        event: "connected" | "interrupted";
        session_id?: string;
        sfu_id?: string;
    };
    "access-state-updated": {
        access: DailyAccess;
        awaitingAccess?: {
            level: "full";
        };
    };
    "waiting-participant-added": {
        participant: DailyWaitingParticipant;
    };
    "waiting-participant-removed": {
        participant: DailyWaitingParticipant;
    };
    "meeting-session-summary-updated": {
        meetingSession: DailyMeetingSessionSummary;
    };
    "meeting-session-updated": {
        meetingSession: DailyMeetingSessionSummary;
    };
    "dialin-ready": {
        sipEndpoint: string;
        provider?: string;
    };
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
    "dtmf-event": {
        tone: string;
        volume: number;
        method: string;
        sessionId?: string;
    };
}
export type DailyEvent = keyof DailyEventMap;
export type DailyEventObject<K extends DailyEvent = DailyEvent> = DailyEventMap[K] & {
    action: K;
    callClientId: string;
};
export type DailyEventHandler<K extends DailyEvent> = (event: DailyEventObject<K>) => void;
export declare const PASSED_ON: readonly ["dialin-ready", "dialin-connected", "dialin-stopped", "dialin-warning", "dialin-error", "dialout-connected", "dialout-answered", "dialout-stopped", "dialout-warning", "dialout-error", "dialin-held", "dialin-resumed", "dialout-held", "dialout-resumed", "calltransfer-triggered", "calltransfer-initiated", "calltransfer-briefing", "calltransfer-merged", "calltransfer-answered", "calltransfer-completed", "dtmf-event", "app-message", "nonfatal-error"];
export {};

// ── types ──
export type DailyAccess = "unknown" | {
    level: "none" | "lobby" | "full";
};
export interface DailyWaitingParticipant {
    id: string;
    name: string;
    awaitingAccess: {
        level: "full";
    };
}
export interface DailyWaitingParticipantUpdate {
    grantRequestedAccess: boolean;
}
export type MeetingState = "new" | "loading" | "loaded" | "joining-meeting" | "joined-meeting" | "left-meeting" | "error";
export type TrackName = "audio" | "video" | "screenAudio" | "screenVideo";
export declare const TRACK_NAMES: readonly TrackName[];
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
    track?: MediaStreamTrack;
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
export type DailyParticipantType = "remote-media-player" | "sip-dial-in" | "sip-dial-out" | "pstn-dial-in" | "pstn-dial-out" | "unknown";
export interface RingbackSeen {
    layout: "one" | "speaker" | "grid";
    tracks: {
        session_id: string;
        track: TrackName;
    }[];
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
    participantType?: DailyParticipantType;
    permissions: DailyParticipantPermissions;
    tracks: Record<TrackName, DailyTrackState>;
    callState?: "ringing" | "answered";
    onHold?: boolean;
    heldBy?: ("far-end" | "room")[];
    sees?: RingbackSeen;
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
export type DailyParticipantsObject = {
    local: DailyParticipant;
} & Record<string, DailyParticipant>;
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
export type DailyCameraErrorType = "permissions" | "not-found" | "constraints" | "cam-in-use" | "mic-in-use" | "cam-mic-in-use" | "undefined-mediadevices" | "unknown";
type MediaKindList = ("video" | "audio")[];
export type DailyCameraErrorObject = {
    type: "permissions";
    msg: string;
    blockedBy: "user" | "browser";
    blockedMedia: MediaKindList;
} | {
    type: "not-found";
    msg: string;
    missingMedia: MediaKindList;
} | {
    type: "constraints";
    msg: string;
    reason: "invalid" | "none-specified";
    failedMedia: MediaKindList;
} | {
    type: "cam-in-use" | "mic-in-use" | "cam-mic-in-use" | "undefined-mediadevices" | "unknown";
    msg: string;
};
export type DailyFatalErrorType = "ejected" | "nbf-room" | "nbf-token" | "exp-room" | "exp-token" | "invalid-token" | "no-room" | "meeting-full" | "end-of-life" | "not-allowed" | "connection-error";
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
export interface DailyIceConfig {
    iceServers?: RTCIceServer[];
    placement?: "front" | "back" | "replace";
    iceTransportPolicy?: RTCIceTransportPolicy;
}
export interface DailyTrackReceiveSettings {
    layer?: number;
}
export type DailySingleParticipantReceiveSettings = Record<string, DailyTrackReceiveSettings>;
export type DailyReceiveSettings = Record<string, DailySingleParticipantReceiveSettings>;
export type DailyReceiveSettingsUpdates = Record<string, Record<string, {
    layer?: number | "inherit";
} | "inherit" | undefined> | "inherit">;
type SendEncoding = Pick<RTCRtpEncodingParameters, "maxBitrate" | "maxFramerate" | "scaleResolutionDownBy" | "active">;
export interface DailyVideoSendSettings {
    maxQuality?: "low" | "medium" | "high";
    encodings?: {
        low: SendEncoding;
        medium?: SendEncoding;
        high?: SendEncoding;
    };
    allowAdaptiveLayers?: boolean;
}
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
    videoSettings?: {
        width?: number;
        height?: number;
        fps?: number;
        videoBitrate?: number;
    };
    codecs?: {
        audio?: AudioCodec[];
        video?: VideoCodec[];
    };
    permissions?: {
        canReceive?: Partial<DailyParticipantPermissions["canReceive"]>;
    };
    provider?: "daily" | "signalwire";
    extension?: string;
    waitBeforeExtensionDialSec?: number;
}
export interface DailyStartDialoutResult {
    session?: {
        sessionId: string;
    };
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
export {};
