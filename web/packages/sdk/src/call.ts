/** The call object: daily-js's methods over one meeting at a time. Work is done by the managers; this joins them. */

import { checkDialOut } from "./checks/dialout";
import { checkDtmf } from "./checks/dtmf";
import { Emitter } from "./emitter";
import { browserEngine, type Engine } from "./engine";
import type { DailyEvent, DailyEventHandler, DailyEventMap, DailyEventObject } from "./events";
import type { MediaKind } from "./media/camera-errors";
import { DeviceManager } from "./media/devices";
import { LevelObserver, localLevelReader, remoteLevelsReader } from "./media/levels";
import { NetworkStats } from "./media/stats";
import { ScreenShare } from "./media/screen";
import { checkOptions, fitsUserData } from "./options";
import { Session, type SessionEvents } from "./session";
import { type JoinReply, SignallingError, type WireParticipant } from "./signalling/wire";
import { Publisher } from "./state/publisher";
import { Roster } from "./state/roster";
import { checkUpdates, wireUpdate } from "./state/updates";
import { uuid } from "./uuid";
import type {
  DailyCallOptions,
  DailyDeviceInfos,
  DailyFactoryOptions,
  DailyFatalError,
  DailyFatalErrorType,
  DailyMeetingSessionSummary,
  DailyNetworkStats,
  DailyParticipantCounts,
  DailyParticipantsObject,
  DailyParticipantUpdateOptions,
  DailyPendingRoomInfo,
  DailyRoomInfo,
  DailySendDtmfOptions,
  DailySetInputDevicesOptions,
  DailyStartDialoutOptions,
  DailyStartDialoutResult,
  MeetingState,
  StartScreenShareOptions,
  TrackName,
} from "./types";

type AllEvents = { [K in DailyEvent]: DailyEventObject<K> };
export interface InputSettings {
  audio?: { processor?: unknown; settings?: MediaTrackConstraints };
  video?: { processor?: unknown; settings?: MediaTrackConstraints };
}

const DEFAULT_MESSAGE_SIZE = 4096;
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

export class Call {
  readonly callClientId: string;
  private readonly emitter = new Emitter<AllEvents>();
  private readonly roster = new Roster();
  private readonly devices: DeviceManager;
  private readonly screen: ScreenShare;
  private readonly publisher: Publisher;
  private readonly localLevels: LevelObserver<number>;
  private readonly remoteLevels: LevelObserver<Record<string, number>>;
  private readonly stats: NetworkStats;
  private session: Session | null = null;
  private options: DailyFactoryOptions;
  private inputSettings: InputSettings = {};
  private state: MeetingState = "new";
  private destroyed = false;
  private reply: JoinReply | null = null;
  private summary: DailyMeetingSessionSummary = {};
  private speaker: { peerId?: string } = {};
  /** Kinds that somebody else turned off. */
  private readonly silenced = new Set<MediaKind>();
  private mutedByServer: Record<MediaKind, boolean> = { audio: false, video: false };
  private readonly onPageHide = () => void this.leave();

  constructor(
    options: DailyFactoryOptions = {},
    private readonly engine: Engine = browserEngine(),
    private readonly onDestroyed: (call: Call) => void = () => undefined,
  ) {
    this.callClientId = uuid();
    this.options = checkOptions(options);
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

  // ── life ──────────────────────────────────────────────────────────────────────────────────────────────────────────

  meetingState(): MeetingState {
    return this.state;
  }

  isDestroyed(): boolean {
    return this.destroyed;
  }

  /** Nothing is downloaded later, so there is nothing to load; the events are daily-js's. */
  load(options: DailyCallOptions = {}): Promise<void> {
    this.alive();
    this.merge(options);
    if (this.state === "new" || this.state === "left-meeting" || this.state === "error") {
      this.state = "loading";
      this.emit("loading", {});
      this.state = "loaded";
      this.emit("loaded", {});
    }
    return Promise.resolve();
  }

  /** Microphone and camera before joining. Never rejects for a device's sake: `camera-error` says what is missing. */
  async startCamera(options: DailyCallOptions = {}): Promise<DailyDeviceInfos> {
    this.alive();
    if (this.state === "joining-meeting" || this.state === "joined-meeting") {
      throw new Error("startCamera() not supported after joining a meeting. Use setLocalVideo() and setLocalAudio().");
    }
    await this.load(options);
    await this.startDevices();
    this.emit("started-camera", {});
    return this.devices.selected();
  }

  /**
   * Joins the room at `url`. Resolves with `{local}`; the others come as `participant-joined`. Does not wait for
   * microphone or camera. Rejects with what the `error` event carries.
   */
  async join(options: DailyCallOptions = {}): Promise<DailyParticipantsObject | undefined> {
    this.alive();
    if (this.state === "joining-meeting" || this.state === "joined-meeting") {
      console.warn("already joined meeting, call leave() before joining again");
      return undefined;
    }
    this.merge(options);
    const { url, token, userName, userData } = this.options;
    if (url === undefined || url === "") throw new Error("No room URL has been provided");
    await this.load();
    this.state = "joining-meeting";
    this.emit("joining-meeting", {});
    const session = new Session(this.engine, this.roster);
    this.session = session;
    this.wireSession(session);
    void this.startDevices();
    try {
      await session.join({
        url,
        ...(token !== undefined && { token }),
        ...(userName !== undefined && { userName }),
        ...(userData !== undefined && { userData }),
      });
    } catch (error) {
      if (this.session !== session) return undefined;
      throw this.fail(refusedJoin(error));
    }
    return this.currentState() === "joined-meeting" ? this.onlyLocal() : undefined;
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

  async destroy(): Promise<void> {
    if (this.destroyed) return;
    await this.leave();
    this.destroyed = true;
    if (typeof removeEventListener === "function") removeEventListener("pagehide", this.onPageHide);
    this.devices.dispose();
    this.emit("call-instance-destroyed", {});
    this.emitter.removeAll();
    this.onDestroyed(this);
  }

  // ── who and where ─────────────────────────────────────────────────────────────────────────────────────────────────

  participants(): DailyParticipantsObject {
    this.alive();
    return this.roster.participants();
  }

  participantCounts(): DailyParticipantCounts {
    this.alive();
    return this.roster.participantCounts();
  }

  room(_options?: { includeRoomConfigDefaults?: boolean }): Promise<DailyRoomInfo | DailyPendingRoomInfo | null> {
    this.alive();
    if (this.reply === null) {
      const { url } = this.options;
      return Promise.resolve(url === undefined ? null : { roomUrlPendingJoin: url });
    }
    const { room } = this.reply;
    return Promise.resolve({
      id: room.id,
      name: room.name,
      config: room.config ?? {},
      domainConfig: room.domainConfig ?? {},
      tokenConfig: room.tokenConfig ?? {},
      ...(room.dialInPIN !== undefined && { dialInPIN: room.dialInPIN }),
    });
  }

  meetingSessionSummary(): DailyMeetingSessionSummary {
    return this.summary;
  }

  accessState(): { access: "unknown" | { level: "full" } } {
    return { access: this.reply === null ? "unknown" : { level: "full" } };
  }

  getActiveSpeaker(): { peerId?: string } {
    return this.speaker;
  }

  async setUserName(name: string, _options?: { thisMeetingOnly?: boolean }): Promise<{ userName: string }> {
    this.alive();
    this.merge({ userName: name });
    if (this.state !== "joined-meeting") return { userName: name };
    const reply = await this.request("set-user-name", { userName: name });
    const userName = typeof reply.userName === "string" ? reply.userName : name;
    this.roster.patchLocal({ user_name: userName });
    return { userName };
  }

  async setUserData(data: unknown): Promise<{ userData: unknown }> {
    this.alive();
    if (!fitsUserData(data)) throw new Error("userData must be JSON of at most 4096 characters");
    this.merge({ userData: data });
    if (this.state !== "joined-meeting") return { userData: data };
    const { userData } = await this.request("set-user-data", { userData: data });
    this.roster.patchLocal({ userData });
    return { userData };
  }

  updateParticipant(sessionId: string, update: DailyParticipantUpdateOptions): this {
    return this.updateParticipants({ [sessionId]: update });
  }

  /** Keys are session ids, `local`, or `*` for everybody else. */
  updateParticipants(updates: Record<string, DailyParticipantUpdateOptions>): this {
    this.joined("updateParticipants");
    checkUpdates(updates, this.roster.automatic);
    const local = this.roster.localParticipant()?.session_id;
    const wire: Record<string, object> = {};
    for (const [key, update] of Object.entries(updates)) {
      if (key === "local" || key === local) {
        if (update.setAudio !== undefined) this.setLocalAudio(update.setAudio);
        if (update.setVideo !== undefined) this.setLocalVideo(update.setVideo);
        continue;
      }
      const { setSubscribedTracks } = update;
      if (setSubscribedTracks !== undefined) {
        for (const id of key === "*" ? this.roster.ids() : [key]) this.roster.choose(id, setSubscribedTracks);
      }
      const rest = wireUpdate(update);
      if (rest !== null) wire[key] = rest;
    }
    if (Object.keys(wire).length > 0) this.tell("update-participants", { participants: wire });
    return this;
  }

  // ── microphone, camera, screen ────────────────────────────────────────────────────────────────────────────────────

  localAudio(): boolean | null {
    return this.localOn("audio");
  }

  localVideo(): boolean | null {
    return this.localOn("video");
  }

  localScreenAudio(): boolean | null {
    return this.localOn("screenAudio");
  }

  localScreenVideo(): boolean | null {
    return this.localOn("screenVideo");
  }

  setLocalAudio(on: boolean, options: { forceDiscardTrack?: boolean } = {}): this {
    return this.setLocal("audio", on, options.forceDiscardTrack);
  }

  setLocalVideo(on: boolean): this {
    return this.setLocal("video", on);
  }

  startScreenShare(options: StartScreenShareOptions = {}): void {
    this.joined("startScreenShare");
    void this.screen.start(options);
  }

  stopScreenShare(): void {
    this.screen.stop();
  }

  async enumerateDevices(): Promise<{ devices: MediaDeviceInfo[] }> {
    this.alive();
    return { devices: await this.devices.enumerate() };
  }

  getInputDevices(): Promise<DailyDeviceInfos> {
    return Promise.resolve(this.devices.selected());
  }

  setInputDevicesAsync(options: DailySetInputDevicesOptions): Promise<DailyDeviceInfos> {
    this.alive();
    return this.devices.setInputDevices(options);
  }

  /** The application plays the sound itself; this remembers and tells which output was chosen. */
  setOutputDeviceAsync({ outputDeviceId }: { outputDeviceId: string }): Promise<DailyDeviceInfos> {
    this.alive();
    return Promise.resolve(this.devices.setSpeaker(outputDeviceId));
  }

  async updateInputSettings(settings: InputSettings): Promise<{ inputSettings: InputSettings }> {
    this.alive();
    for (const kind of ["audio", "video"] as const) {
      const constraints = settings[kind]?.settings;
      if (constraints === undefined) continue;
      this.devices.setConstraints(kind, constraints);
      if (this.devices.media(kind).state === "playable") await this.devices.reopen(kind);
    }
    this.inputSettings = { ...this.inputSettings, ...settings };
    return { inputSettings: this.inputSettings };
  }

  getInputSettings(): Promise<InputSettings> {
    return Promise.resolve(this.inputSettings);
  }

  subscribeToTracksAutomatically(): boolean {
    return this.roster.automatic;
  }

  setSubscribeToTracksAutomatically(on: boolean): this {
    this.joined("setSubscribeToTracksAutomatically");
    this.roster.setAutomatic(on);
    return this;
  }

  // ── levels and numbers ────────────────────────────────────────────────────────────────────────────────────────────

  startLocalAudioLevelObserver(intervalMs?: number): Promise<void> {
    this.localLevels.start(intervalMs, (audioLevel) => this.emit("local-audio-level", { audioLevel }));
    return Promise.resolve();
  }

  stopLocalAudioLevelObserver(): void {
    this.localLevels.stop();
  }

  isLocalAudioLevelObserverRunning(): boolean {
    return this.localLevels.running;
  }

  getLocalAudioLevel(): number {
    return this.localLevels.last ?? 0;
  }

  startRemoteParticipantsAudioLevelObserver(intervalMs?: number): Promise<void> {
    this.remoteLevels.start(intervalMs, (participantsAudioLevel) =>
      this.emit("remote-participants-audio-level", { participantsAudioLevel }),
    );
    return Promise.resolve();
  }

  stopRemoteParticipantsAudioLevelObserver(): void {
    this.remoteLevels.stop();
  }

  isRemoteParticipantsAudioLevelObserverRunning(): boolean {
    return this.remoteLevels.running;
  }

  getRemoteParticipantsAudioLevel(): Record<string, number> {
    return this.remoteLevels.last ?? {};
  }

  getNetworkStats(): Promise<DailyNetworkStats> {
    this.alive();
    return this.stats.read();
  }

  getNetworkTopology(): Promise<{ topology: "sfu" | "none" }> {
    return Promise.resolve({ topology: this.state === "joined-meeting" ? "sfu" : "none" });
  }

  // ── messages and telephones ───────────────────────────────────────────────────────────────────────────────────────

  /** To everybody else (`*`), one session id or several. Throws when it is too large. */
  sendAppMessage(data: unknown, to: string | string[] = "*"): this {
    this.joined("sendAppMessage");
    const limit = Number(this.reply?.room.domainConfig?.max_app_message_size ?? DEFAULT_MESSAGE_SIZE);
    if (JSON.stringify(data).length > limit) throw new Error(`Message data too large. Max size is ${limit}`);
    this.tell("app-message", { data, to }, false);
    return this;
  }

  /** Rings a SIP address or a number. Resolves once the call is queued; the events say what becomes of it. */
  async startDialOut(options: DailyStartDialoutOptions): Promise<DailyStartDialoutResult> {
    this.joined("startDialOut");
    const checked = checkDialOut(options);
    const reply = await this.request("dialout-start", { options: checked, idempotencyKey: uuid() });
    return { session: reply.session as { sessionId: string }, sessionId: reply.sessionId as string };
  }

  /** Hangs up. A call that is already over is no error. */
  async stopDialOut({ sessionId }: { sessionId: string }): Promise<void> {
    this.joined("stopDialOut");
    try {
      await this.request("dialout-stop", { sessionId });
    } catch (error) {
      if (!(error instanceof SignallingError && error.type === "not-found")) throw error;
    }
  }

  async sendDTMF(options: DailySendDtmfOptions): Promise<void> {
    this.joined("sendDTMF");
    await this.request("send-dtmf", checkDtmf(options), false);
  }

  // ── inside ────────────────────────────────────────────────────────────────────────────────────────────────────────

  private wire(): void {
    for (const name of ["participant-joined", "participant-updated", "participant-left"] as const) {
      this.roster.on(name, (payload) => this.emit(name, payload));
    }
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

  private wireSession(session: Session): void {
    session.on("joined", (reply) => this.handleJoined(reply));
    session.on("local", (wire) => this.handleLocal(wire));
    session.on("asked", (changes) => this.handleAsked(changes));
    session.on("resynced", () => this.publisher.repeat());
    session.on("network", (payload) => this.emit("network-connection", payload));
    session.on("passed", ({ name, payload }) => this.emit(name, payload as never));
    session.on("speaker", (peerId) => {
      if (peerId === this.speaker.peerId) return;
      this.speaker = { peerId };
      this.emit("active-speaker-change", { activeSpeaker: { peerId } });
    });
    session.on("fatal", (error) => void this.fail(error));
  }

  private handleJoined(reply: JoinReply): void {
    this.reply = reply;
    this.summary = { id: reply.meeting_id };
    this.speaker = {};
    this.roster.automatic = this.options.subscribeToTracksAutomatically ?? true;
    this.roster.setLocal(reply.local);
    this.publisher.handleJoined(this.canSend());
    this.emit("access-state-updated", { access: { level: "full" } });
    this.emit("meeting-session-summary-updated", { meetingSession: this.summary });
    this.emit("meeting-session-updated", { meetingSession: this.summary });
    this.state = "joined-meeting";
    this.emit("joined-meeting", { participants: this.onlyLocal() });
  }

  /** The server's view of us: name and permissions are its; what we send is ours, unless somebody muted us. */
  private handleLocal(wire: WireParticipant): void {
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
  private handleAsked({ setAudio, setVideo, setScreenShare }: SessionEvents["asked"]): void {
    if (setAudio === false) this.silence("audio");
    if (setVideo === false) this.silence("video");
    if (setScreenShare === false) this.screen.stop();
  }

  private silence(kind: MediaKind): void {
    if (this.localOn(kind) !== true) return;
    this.silenced.add(kind);
    void this.devices.setEnabled(kind, false);
  }

  private handleDevice(kind: MediaKind): void {
    const media = this.devices.media(kind);
    const off = this.silenced.has(kind) && media.state === "off" ? { byRemoteRequest: true } : undefined;
    this.publisher.update(kind, media, off);
  }

  private setLocal(kind: MediaKind, on: boolean, discard = false): this {
    this.alive();
    if (this.roster.localParticipant() === null) this.ensureLocal();
    this.silenced.delete(kind);
    void this.devices.setEnabled(kind, on, discard);
    return this;
  }

  private startDevices(): Promise<void> {
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

  private ensureLocal(): void {
    if (this.roster.localParticipant() !== null) return;
    this.roster.setLocal({ session_id: BEFORE_JOIN_ID, user_id: null, user_name: this.options.userName ?? "" });
  }

  private fail(error: DailyFatalError): FatalCallError {
    const failure = new FatalCallError(this.callClientId, error.msg, error);
    this.session?.leave();
    this.afterMeeting("error");
    this.emitter.emit("error", failure);
    this.emit("left-meeting", {});
    return failure;
  }

  private afterMeeting(state: MeetingState): void {
    this.session?.removeAll();
    this.session = null;
    this.reply = null;
    this.state = state;
    this.speaker = {};
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

  private merge(options: DailyCallOptions): void {
    this.options = { ...this.options, ...checkOptions(options) };
  }

  private onlyLocal(): DailyParticipantsObject {
    return { local: this.roster.participants().local };
  }

  private canSend(): boolean | Set<string> {
    return this.roster.localParticipant()?.permissions.canSend ?? true;
  }

  private localOn(name: TrackName): boolean | null {
    const track = this.roster.localParticipant()?.tracks[name];
    return track === undefined ? null : track.state !== "off" && track.state !== "blocked";
  }

  private *remoteAudio(): Iterable<[string, MediaStreamTrack]> {
    for (const [id, { local, tracks }] of Object.entries(this.roster.participants())) {
      if (!local && tracks.audio.track) yield [id, tracks.audio.track];
    }
  }

  private async request(type: string, fields: object, retry = true): Promise<Record<string, unknown>> {
    if (this.session === null) throw new Error(`${type} only supported after join.`);
    return this.session.request(type, fields, retry);
  }

  /** A request nobody waits for: a refusal becomes a `nonfatal-error`. */
  private tell(type: string, fields: object, retry = true): void {
    this.request(type, fields, retry).catch((error: unknown) => {
      const errorMsg = error instanceof Error ? error.message : String(error);
      if (this.session !== null) this.emit("nonfatal-error", { type: "request-refused", errorMsg, details: { request: type } });
    });
  }

  private currentState(): MeetingState {
    return this.state;
  }

  private alive(): void {
    if (this.destroyed) throw new Error("Use after destroy");
  }

  private joined(method: string): void {
    this.alive();
    if (this.state !== "joined-meeting") throw new Error(`${method}() only supported after join.`);
  }

  private emit<K extends DailyEvent>(action: K, payload: DailyEventMap[K]): void {
    this.emitter.emit(action, { ...payload, action, callClientId: this.callClientId } as AllEvents[K]);
  }
}

function refusedJoin(error: unknown): DailyFatalError {
  if (error instanceof SignallingError) {
    const details = error.type === "connection-error" ? { details: { on: "join" } } : {};
    return { type: error.type as DailyFatalErrorType, msg: error.message, ...details };
  }
  return { type: "connection-error", msg: error instanceof Error ? error.message : String(error) };
}
