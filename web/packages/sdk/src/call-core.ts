/** What stands behind the call object: the managers, their wiring, and the state a meeting leaves and finds. */

import { Emitter } from "./emitter";
import type { Engine } from "./engine";
import type { DailyEvent, DailyEventHandler, DailyEventMap, DailyEventObject } from "./events";
import type { MediaKind } from "./media/camera-errors";
import { DeviceManager } from "./media/devices";
import { LevelObserver, localLevelReader, remoteLevelsReader } from "./media/levels";
import { ScreenShare } from "./media/screen";
import { NetworkStats } from "./media/stats";
import { checkOptions } from "./options";
import { Session, type SessionEvents } from "./session";
import { ReceiveSettings } from "./settings/receive";
import { encodingsFor } from "./settings/send";
import type { JoinReply, WireParticipant } from "./signalling/wire";
import { Publisher } from "./state/publisher";
import { Roster } from "./state/roster";
import { WaitingRoom } from "./state/waiting";
import type {
  DailyAccess,
  DailyCallOptions,
  DailyFactoryOptions,
  DailyFatalError,
  DailyIceConfig,
  DailyMeetingSessionSummary,
  DailyParticipantsObject,
  DailyWaitingParticipant,
  DailySendSettings,
  MeetingState,
  TrackName,
} from "./types";
import { uuid } from "./uuid";

type AllEvents = { [K in DailyEvent]: DailyEventObject<K> };
export interface InputSettings {
  audio?: { processor?: unknown; settings?: MediaTrackConstraints };
  video?: { processor?: unknown; settings?: MediaTrackConstraints };
}

const BEFORE_JOIN_ID = "local";

/** What a fatal error is told with: the `error` event, and what a pending `join()` rejects with. */
export class FatalCallError extends Error {
  readonly action = "error";
  constructor(
    readonly callClientId: string,
    readonly errorMsg: string,
    readonly error: DailyFatalError,
  ) {
    super(errorMsg);
  }
}

export class CallCore {
  readonly callClientId: string;
  protected readonly emitter = new Emitter<AllEvents>();
  protected readonly roster = new Roster();
  protected readonly devices: DeviceManager;
  protected readonly screen: ScreenShare;
  protected readonly publisher: Publisher;
  protected readonly localLevels: LevelObserver<number>;
  protected readonly remoteLevels: LevelObserver<Record<string, number>>;
  protected readonly stats: NetworkStats;
  protected session: Session | null = null;
  protected options: DailyFactoryOptions;
  protected inputSettings: InputSettings = {};
  protected readonly receiveSettings = new ReceiveSettings();
  protected sendSettings: DailySendSettings = {};
  protected state: MeetingState = "new";
  protected destroyed = false;
  protected reply: JoinReply | null = null;
  protected summary: DailyMeetingSessionSummary = {};
  protected speaker: { peerId?: string } = {};
  protected access: DailyAccess = "unknown";
  protected awaiting = false;
  protected readonly waiting = new WaitingRoom();
  /** Kinds that somebody else turned off. */
  protected readonly silenced = new Set<MediaKind>();
  protected mutedByServer: Record<MediaKind, boolean> = { audio: false, video: false };
  protected readonly onPageHide = () => void this.leave();

  constructor(
    options: DailyFactoryOptions,
    protected readonly engine: Engine,
  ) {
    this.callClientId = uuid();
    this.options = checkOptions(options);
    this.obeySettings(options);
    this.devices = new DeviceManager(engine);
    this.screen = new ScreenShare(engine);
    this.publisher = new Publisher({
      send: (name, track) => this.session?.peer.setSend(name, track) ?? Promise.resolve(),
      tell: async (name, state) => {
        await this.session?.request("track", { track: name, ...state });
      },
      show: (name, media, off) => this.roster.setLocalMedia(name, media, off),
    });
    this.localLevels = new LevelObserver(localLevelReader(() => this.devices.media("audio").track));
    this.remoteLevels = new LevelObserver(remoteLevelsReader(() => this.remoteAudio()));
    this.stats = new NetworkStats(() => this.session?.peer.getStats() ?? Promise.resolve(null));
    this.wire();
  }

  // ── events ────────────────────────────────────────────────────────────────────────────────────────────────────────

  on<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this {
    this.emitter.on(event, handler);
    return this;
  }

  once<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this {
    this.emitter.once(event, handler);
    return this;
  }

  off<K extends DailyEvent>(event: K, handler: DailyEventHandler<K>): this {
    this.emitter.off(event, handler);
    return this;
  }

  leave(): Promise<void> {
    this.alive();
    if (this.session !== null) {
      this.session.leave();
      this.afterMeeting("left-meeting");
      this.emit("left-meeting", {});
    } else if (this.state === "loaded") {
      this.afterMeeting("left-meeting");
      this.emit("left-meeting", {});
    }
    return Promise.resolve();
  }

  // ── wiring ────────────────────────────────────────────────────────────────────────────────────────────────────────

  protected wire(): void {
    for (const name of ["participant-joined", "participant-updated", "participant-left"] as const) {
      this.roster.on(name, (payload) => this.emit(name, payload));
    }
    this.roster.on("participant-left", ({ participant }) => this.receiveSettings.forget(participant.session_id));
    for (const name of ["track-started", "track-stopped", "participant-counts-updated"] as const) {
      this.roster.on(name, (payload) => this.emit(name, payload));
    }
    this.devices.on("changed", (kind) => this.handleDevice(kind));
    this.devices.on("camera-error", (failure) => this.emit("camera-error", failure));
    this.devices.on("available", (availableDevices) => this.emit("available-devices-updated", { availableDevices }));
    this.devices.on("selected", (devices) => this.emit("selected-devices-updated", { devices }));
    this.screen.on("changed", ({ name, media }) => this.publisher.update(name, media));
    this.screen.on("started", () => this.emit("local-screen-share-started", {}));
    this.screen.on("stopped", () => this.emit("local-screen-share-stopped", {}));
    this.screen.on("canceled", () => this.emit("local-screen-share-canceled", {}));
    this.screen.on("failed", (errorMsg) => this.emit("nonfatal-error", { type: "screen-share-error", errorMsg }));
    if (typeof addEventListener === "function") addEventListener("pagehide", this.onPageHide);
  }

  protected wireSession(session: Session): void {
    session.on("joined", (reply) => this.handleJoined(reply));
    session.on("local", (wire) => this.handleLocal(wire));
    session.on("asked", (changes) => this.handleAsked(changes));
    session.on("resynced", () => {
      this.publisher.repeat();
      this.tellLayers();
    });
    session.on("network", (payload) => this.emit("network-connection", payload));
    session.on("passed", ({ name, payload }) => this.emit(name, payload as never));
    session.on("speaker", (peerId) => {
      if (peerId === this.speaker.peerId) return;
      this.speaker = { peerId };
      this.emit("active-speaker-change", { activeSpeaker: { peerId } });
    });
    session.on("waiting", ({ person, gone }) => this.handleWaiting(person, gone));
    session.on("waitingAll", (people) => {
      const { added, removed } = this.waiting.replace(people);
      for (const participant of removed) this.emit("waiting-participant-removed", { participant });
      for (const participant of added) this.emit("waiting-participant-added", { participant });
    });
    session.on("fatal", (error) => void this.fail(error));
  }

  protected handleJoined(reply: JoinReply): void {
    this.reply = reply;
    this.summary = { id: reply.meeting_id };
    this.speaker = {};
    this.roster.automatic = this.options.subscribeToTracksAutomatically ?? true;
    this.roster.setLocal(reply.local);
    this.obeyStartOff(reply);
    this.publisher.handleJoined(this.canSend());
    if (this.receiveSettings.table().length > 0) this.tellLayers();
    this.stats.watch(({ networkState, networkStateReasons, threshold, quality }) =>
      this.emit("network-quality-change", { networkState, networkStateReasons, threshold, quality }),
    );
    this.setAccess({ level: "full" });
    this.emit("meeting-session-summary-updated", { meetingSession: this.summary });
    this.emit("meeting-session-updated", { meetingSession: this.summary });
    this.state = "joined-meeting";
    this.emit("joined-meeting", { participants: this.onlyLocal() });
  }

  protected handleWaiting(participant: DailyWaitingParticipant, gone: boolean): void {
    if (gone) {
      if (this.waiting.remove(participant.id) !== undefined) this.emit("waiting-participant-removed", { participant });
    } else if (this.waiting.add(participant)) this.emit("waiting-participant-added", { participant });
  }

  /** Told only when it changes. */
  protected setAccess(access: DailyAccess, awaiting = false): void {
    const level = (of: DailyAccess) => (of === "unknown" ? of : of.level);
    if (level(access) === level(this.access) && awaiting === this.awaiting) return;
    this.access = access;
    this.awaiting = awaiting;
    this.emit("access-state-updated", { access, ...(awaiting && { awaitingAccess: { level: "full" } }) });
  }

  /** Outside the door: one may knock. */
  protected enterLobby(): void {
    this.session?.leave();
    this.session?.removeAll();
    this.session = null;
    this.state = "loaded";
    this.setAccess({ level: "lobby" });
  }

  /** What room or token want off at first stays off until the user turns it on; the token has the last word. */
  protected obeyStartOff({ room: { config, tokenConfig } }: JoinReply): void {
    for (const kind of ["audio", "video"] as const) {
      const name = `start_${kind}_off`;
      if ((tokenConfig?.[name] ?? config?.[name]) === true) void this.devices.setEnabled(kind, false);
    }
  }

  /** The server's view of us: name and permissions are its; what we send is ours, unless somebody muted us. */
  protected handleLocal(wire: WireParticipant): void {
    this.roster.setLocal(wire);
    for (const kind of ["audio", "video"] as const) {
      const track = wire.tracks?.[kind];
      const muted = track?.state === "off" && track.off?.byRemoteRequest === true;
      const news = muted && !this.mutedByServer[kind];
      this.mutedByServer[kind] = muted;
      if (news) this.silence(kind);
    }
    this.publisher.handlePermissions(this.canSend());
  }

  /** Off is done; on stays the user's decision. The server already keeps a muted microphone from the others. */
  protected handleAsked({ setAudio, setVideo, setScreenShare }: SessionEvents["asked"]): void {
    if (setAudio === false) this.silence("audio");
    if (setVideo === false) this.silence("video");
    if (setScreenShare === false) this.screen.stop();
  }

  protected silence(kind: MediaKind): void {
    if (this.localOn(kind) !== true) return;
    this.silenced.add(kind);
    void this.devices.setEnabled(kind, false);
  }

  protected handleDevice(kind: MediaKind): void {
    const media = this.devices.media(kind);
    const off = this.silenced.has(kind) && media.state === "off" ? { byRemoteRequest: true } : undefined;
    this.publisher.update(kind, media, off);
  }

  protected setLocal(kind: MediaKind, on: boolean, discard = false): this {
    this.alive();
    if (this.roster.localParticipant() === null) this.ensureLocal();
    this.silenced.delete(kind);
    void this.devices.setEnabled(kind, on, discard);
    return this;
  }

  protected startDevices(): Promise<void> {
    const { audioSource, videoSource, startAudioOff, startVideoOff, dailyConfig, inputSettings } = this.options;
    this.devices.keepCameraOpen = dailyConfig?.keepCamIndicatorLightOn === true;
    for (const kind of ["audio", "video"] as const) {
      const settings = (inputSettings as InputSettings | undefined)?.[kind]?.settings;
      if (settings !== undefined) this.devices.setConstraints(kind, settings);
    }
    this.devices.configure("audio", audioSource, startAudioOff === undefined ? undefined : !startAudioOff);
    this.devices.configure("video", videoSource, startVideoOff === undefined ? undefined : !startVideoOff);
    this.ensureLocal();
    return this.devices.start();
  }

  protected ensureLocal(): void {
    if (this.roster.localParticipant() !== null) return;
    this.roster.setLocal({ session_id: BEFORE_JOIN_ID, user_id: null, user_name: this.options.userName ?? "" });
  }

  protected fail(error: DailyFatalError): FatalCallError {
    const failure = new FatalCallError(this.callClientId, error.msg, error);
    this.session?.leave();
    this.afterMeeting("error");
    this.emitter.emit("error", failure);
    this.emit("left-meeting", {});
    return failure;
  }

  protected afterMeeting(state: MeetingState): void {
    this.session?.removeAll();
    this.session = null;
    this.reply = null;
    this.state = state;
    this.speaker = {};
    this.access = "unknown";
    this.awaiting = false;
    this.waiting.clear();
    this.silenced.clear();
    this.mutedByServer = { audio: false, video: false };
    this.publisher.close();
    this.localLevels.stop();
    this.remoteLevels.stop();
    this.stats.reset();
    this.roster.clear();
    this.screen.stop();
    this.devices.stop();
  }

  protected merge(options: DailyCallOptions): void {
    this.options = { ...this.options, ...checkOptions(options) };
    this.obeySettings(options);
  }

  protected obeySettings({ receiveSettings, sendSettings }: DailyCallOptions): void {
    if (receiveSettings !== undefined) this.receiveSettings.update(receiveSettings);
    if (sendSettings !== undefined) this.sendSettings = { ...this.sendSettings, ...sendSettings };
  }

  protected onlyLocal(): DailyParticipantsObject {
    return { local: this.roster.participants().local };
  }

  protected canSend(): boolean | Set<string> {
    return this.roster.localParticipant()?.permissions.canSend ?? true;
  }

  protected localOn(name: TrackName): boolean | null {
    const track = this.roster.localParticipant()?.tracks[name];
    return track === undefined ? null : track.state !== "off" && track.state !== "blocked";
  }

  protected *remoteAudio(): Iterable<[string, MediaStreamTrack]> {
    for (const [id, { local, tracks }] of Object.entries(this.roster.participants())) {
      if (!local && tracks.audio.track) yield [id, tracks.audio.track];
    }
  }

  protected async request(type: string, fields: object, retry = true): Promise<Record<string, unknown>> {
    if (this.session === null) throw new Error(`${type} only supported after join.`);
    return this.session.request(type, fields, retry);
  }

  protected encodings(name: TrackName): RTCRtpEncodingParameters[] | undefined {
    return name === "video" || name === "screenVideo" ? encodingsFor(name, this.sendSettings) : undefined;
  }

  protected ice(): Pick<RTCConfiguration, "iceServers" | "iceTransportPolicy"> {
    const { iceServers, iceTransportPolicy } = (this.options.dailyConfig?.iceConfig ?? {}) as DailyIceConfig;
    return { ...(iceServers && { iceServers }), ...(iceTransportPolicy && { iceTransportPolicy }) };
  }

  protected tellLayers(): void {
    this.tell("receive-layers", { layers: this.receiveSettings.table() });
  }

  /** A request nobody waits for: a refusal becomes a `nonfatal-error`. */
  protected tell(type: string, fields: object, retry = true): void {
    this.request(type, fields, retry).catch((error: unknown) => {
      const errorMsg = error instanceof Error ? error.message : String(error);
      if (this.session !== null) this.emit("nonfatal-error", { type: "request-refused", errorMsg, details: { request: type } });
    });
  }

  protected currentState(): MeetingState {
    return this.state;
  }

  protected alive(): void {
    if (this.destroyed) throw new Error("Use after destroy");
  }

  protected joined(method: string): void {
    this.alive();
    if (this.state !== "joined-meeting") throw new Error(`${method}() only supported after join.`);
  }

  protected emit<K extends DailyEvent>(action: K, payload: DailyEventMap[K]): void {
    this.emitter.emit(action, { ...payload, action, callClientId: this.callClientId } as AllEvents[K]);
  }
}
