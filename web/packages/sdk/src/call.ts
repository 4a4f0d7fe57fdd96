/** The call object: daily-js's methods over one meeting at a time. */

import { CallCore, type InputSettings } from "./call-core";
import { checkDialOut } from "./checks/dialout";
import { checkDtmf } from "./checks/dtmf";
import { checkRefer, checkTransfer } from "./checks/transfer";
import { browserEngine, type Engine } from "./engine";
import { fitsUserData } from "./options";
import { type JoinOptions, Session } from "./session";
import { checkSendSettings } from "./settings/send";
import { SignallingError } from "./signalling/wire";
import { checkUpdates, wireUpdate } from "./state/updates";
import type {
  DailyAccess,
  DailyCallOptions,
  DailyDeviceInfos,
  DailyFactoryOptions,
  DailyFatalError,
  DailyFatalErrorType,
  DailyIceConfig,
  DailyMeetingSessionSummary,
  DailyNetworkStats,
  DailyParticipantCounts,
  DailyParticipantsObject,
  DailyParticipantUpdateOptions,
  DailyPendingRoomInfo,
  DailyReceiveSettings,
  DailyReceiveSettingsUpdates,
  DailyRoomInfo,
  DailySendDtmfOptions,
  DailySendSettings,
  DailySingleParticipantReceiveSettings,
  DailySipCallTransferOptions,
  DailySipReferOptions,
  WarmTransferOptions,
  DailySetInputDevicesOptions,
  DailyStartDialoutOptions,
  DailyStartDialoutResult,
  DailyWaitingParticipant,
  DailyWaitingParticipantUpdate,
  MeetingState,
  StartScreenShareOptions,
} from "./types";
import { uuid } from "./uuid";

const DEFAULT_MESSAGE_SIZE = 4096;

export class Call extends CallCore {
  constructor(
    options: DailyFactoryOptions = {},
    engine: Engine = browserEngine(),
    private readonly onDestroyed: (call: Call) => void = () => undefined,
  ) {
    super(options, engine);
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
   * microphone or camera. Rejects with what the `error` event carries. Where one has to be let in it resolves with
   * nothing, and `accessState()` is the lobby: see `requestAccess()`.
   */
  async join(options: DailyCallOptions = {}): Promise<DailyParticipantsObject | undefined> {
    this.alive();
    if (this.state === "joining-meeting" || this.state === "joined-meeting") {
      console.warn("already joined meeting, call leave() before joining again");
      return undefined;
    }
    this.merge(options);
    const request = this.joinOptions();
    await this.load();
    const session = this.openSession();
    void this.startDevices();
    try {
      await session.join(request);
    } catch (error) {
      if (this.session !== session) return undefined;
      if (error instanceof SignallingError && error.mayKnock) {
        this.enterLobby();
        return undefined;
      }
      throw this.fail(refusedJoin(error));
    }
    return this.currentState() === "joined-meeting" ? this.onlyLocal() : undefined;
  }

  /**
   * Knocks, from the lobby, and waits until somebody opens or will not. Once granted, we are in: `joined-meeting` has
   * come. `leave()` gives up.
   */
  async requestAccess({ name }: { access?: { level: "full" }; name?: string } = {}): Promise<{
    access: DailyAccess;
    granted: boolean;
  }> {
    this.alive();
    if (this.state === "joined-meeting") return { access: this.access, granted: true };
    if (this.access === "unknown" || this.state === "joining-meeting") {
      throw new Error("requestAccess() only supported from the lobby: call join() first");
    }
    if (name !== undefined) this.merge({ userName: name });
    const session = this.openSession();
    this.setAccess({ level: "lobby" }, true);
    try {
      const granted = await session.knock(this.joinOptions());
      if (!granted && this.session === session) this.enterLobby();
      return { access: this.access, granted };
    } catch (error) {
      if (this.session !== session) return { access: this.access, granted: false };
      throw this.fail(refusedJoin(error));
    }
  }

  private joinOptions(): JoinOptions {
    const { url, token, userName, userData } = this.options;
    if (url === undefined || url === "") throw new Error("No room URL has been provided");
    return {
      url,
      ...(token !== undefined && { token }),
      ...(userName !== undefined && { userName }),
      ...(userData !== undefined && { userData }),
    };
  }

  private openSession(): Session {
    this.state = "joining-meeting";
    this.emit("joining-meeting", {});
    const session = new Session(this.engine, this.roster, {
      ice: () => this.ice(),
      encodings: (name) => this.encodings(name),
    });
    this.session = session;
    this.wireSession(session);
    return session;
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

  accessState(): { access: DailyAccess; awaitingAccess?: { level: "full" } } {
    return { access: this.access, ...(this.awaiting && { awaitingAccess: { level: "full" } }) };
  }

  /** Who waits at the door, by id; empty for those who may not open it. */
  waitingParticipants(): Record<string, DailyWaitingParticipant> {
    this.alive();
    return this.waiting.all();
  }

  async updateWaitingParticipant(id: string, update: DailyWaitingParticipantUpdate): Promise<{ id: string }> {
    await this.updateWaitingParticipants({ [id]: update });
    return { id };
  }

  /** Lets people in, or not. Keys are ids, or `*` for everybody who waits. */
  async updateWaitingParticipants(updates: Record<string, DailyWaitingParticipantUpdate>): Promise<{ ids: string[] }> {
    this.joined("updateWaitingParticipants");
    const { ids } = await this.request("update-waiting-participants", { participants: updates }, false);
    return { ids: ids as string[] };
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

  // ── layers ────────────────────────────────────────────────────────────────────────────────────────────────────────

  getReceiveSettings(): Promise<DailyReceiveSettings>;
  getReceiveSettings(id: string, options?: { showInheritedValues?: boolean }): Promise<DailySingleParticipantReceiveSettings>;
  getReceiveSettings(
    id?: string,
    { showInheritedValues = false }: { showInheritedValues?: boolean } = {},
  ): Promise<DailyReceiveSettings | DailySingleParticipantReceiveSettings> {
    this.alive();
    return Promise.resolve(id === undefined ? this.receiveSettings.all() : this.receiveSettings.one(id, showInheritedValues));
  }

  /** The highest simulcast layer wanted of somebody's pictures; bandwidth or the sender may give a lower one. */
  async updateReceiveSettings(updates: DailyReceiveSettingsUpdates): Promise<DailyReceiveSettings> {
    this.alive();
    const changed = this.receiveSettings.update(updates);
    if (changed && this.state === "joined-meeting") {
      await this.request("receive-layers", { layers: this.receiveSettings.table() });
    }
    const receiveSettings = this.receiveSettings.all();
    if (changed) this.emit("receive-settings-updated", { receiveSettings });
    return receiveSettings;
  }

  /** STUN and TURN servers for the connection that the next `join()` makes. */
  setIceConfig(config: DailyIceConfig): this {
    this.alive();
    this.options = { ...this.options, dailyConfig: { ...this.options.dailyConfig, iceConfig: config } };
    return this;
  }

  getSendSettings(): DailySendSettings | null {
    return Object.keys(this.sendSettings).length > 0 ? this.sendSettings : null;
  }

  /** How camera and screen are encoded from now on: a preset's name, or layers from low to high. */
  async updateSendSettings(settings: DailySendSettings): Promise<DailySendSettings> {
    this.alive();
    checkSendSettings(settings);
    this.sendSettings = { ...this.sendSettings, ...settings };
    await this.session?.peer.applyEncodings();
    this.emit("send-settings-updated", { sendSettings: this.sendSettings });
    return this.sendSettings;
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

  /** Moves a phone to another room, or connects it with an address or number. The events say what becomes of it. */
  async sipCallTransfer(options: DailySipCallTransferOptions): Promise<void> {
    this.joined("sipCallTransfer");
    await this.request("sip-call-transfer", checkTransfer(options), false);
  }

  /** Ringback: a phone waits with music while those in the room tell whom it goes to about it; then `accept` connects
   * the two, `merge` takes the phone back among all, `return` hangs up on whom it was to go to. Starting one answers
   * with the session of whom it goes to. */
  async warmTransfer(options: WarmTransferOptions): Promise<{ sessionId?: string }> {
    this.joined("warmTransfer");
    return await this.request("warm-transfer", { action: "start", ...options }, false);
  }

  /** Asks a phone's own system to call somebody else. The events say what becomes of it. */
  async sipRefer(options: DailySipReferOptions): Promise<void> {
    this.joined("sipRefer");
    await this.request("sip-call-transfer", checkRefer(options), false);
  }
}

function refusedJoin(error: unknown): DailyFatalError {
  if (error instanceof SignallingError) {
    const details = error.type === "connection-error" ? { details: { on: "join" } } : {};
    return { type: error.type as DailyFatalErrorType, msg: error.message, ...details };
  }
  return { type: "connection-error", msg: error instanceof Error ? error.message : String(error) };
}
