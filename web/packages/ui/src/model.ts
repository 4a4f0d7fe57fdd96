/** What the page shows, as signals over the call object; and what its buttons do. */

import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Call, DailyCameraErrorObject, DailyDeviceInfos, DailyParticipant, DailyWaitingParticipant } from "ringback-js";
import { dialRefusal, dialTarget } from "./dial";
import { isPhone, mayAdminister, nameOf, wasDialled } from "./person";
import type { Place } from "./place";
import { clean } from "./text";

export type Screen = "prejoin" | "joining" | "waiting" | "call" | "left";

export interface Notice {
  id: number;
  kind: "info" | "problem";
  text: string;
}

/** A call we started whose far end is no participant yet. */
export interface Outgoing {
  sessionId: string;
  label: string;
}

const NAME_KEY = "ringback.name";
const INFO_MS = 6_000;
const MOST_NOTICES = 4;

export class RoomModel {
  readonly screen = signal<Screen>("prejoin");
  readonly name = signal("");
  readonly people = signal<DailyParticipant[]>([]);
  readonly speaker = signal<string | null>(null);
  readonly reconnecting = signal(false);
  readonly mediaInterrupted = signal(false);
  readonly notices = signal<Notice[]>([]);
  readonly problem = signal<string | null>(null);
  readonly cameraProblem = signal<DailyCameraErrorObject | null>(null);
  readonly soundBlocked = signal(false);
  readonly devices = signal<MediaDeviceInfo[]>([]);
  readonly chosen = signal<DailyDeviceInfos>({ camera: {}, mic: {}, speaker: {} });
  readonly mayShare = signal(true);
  readonly outgoing = signal<Outgoing[]>([]);
  readonly dialError = signal<string | null>(null);
  readonly dialling = signal(false);
  /** Who waits at the door, for those who may open it. */
  readonly waiting = signal<DailyWaitingParticipant[]>([]);
  readonly me: ReadonlySignal<DailyParticipant | undefined> = computed(() => this.people.value.find((one) => one.local));
  readonly others: ReadonlySignal<DailyParticipant[]> = computed(() => this.people.value.filter((one) => !one.local));
  readonly admin: ReadonlySignal<boolean> = computed(() => mayAdminister(this.me.value));
  private nextNotice = 1;

  constructor(
    readonly call: Call,
    readonly place: Place,
    readonly secure: boolean,
    private readonly storage: Pick<Storage, "getItem" | "setItem">,
  ) {
    this.name.value = remembered(storage);
    this.listen();
  }

  // ── coming and going ──────────────────────────────────────────────────────────────────────────────────────────────

  /** Microphone and camera for the look into the mirror before joining. */
  prepare(): void {
    void this.call.startCamera();
  }

  async join(): Promise<void> {
    const name = clean(this.name.value, 80);
    if (name === "" || this.isJoining()) return;
    this.name.value = name;
    remember(this.storage, name);
    batch(() => {
      this.screen.value = "joining";
      this.problem.value = null;
    });
    const { url, token } = this.place;
    try {
      await this.call.join({ url, userName: name, ...(token !== null && token !== "" && { token }) });
      if (this.isJoining() && this.call.accessState().access !== "unknown") await this.knock(name);
    } catch (error) {
      // The error event has said it already, unless it never came to asking.
      this.problem.value ??= error instanceof Error ? clean(error.message, 300) : "The room could not be joined.";
      if (this.isJoining()) this.screen.value = "prejoin";
    }
  }

  /** Somebody inside has to open. */
  private async knock(name: string): Promise<void> {
    this.screen.value = "waiting";
    const { granted } = await this.call.requestAccess({ name });
    if (granted || !this.isWaiting()) return;
    this.problem.value = "You were not let in.";
    this.screen.value = "prejoin";
  }

  giveUp(): void {
    this.screen.value = "prejoin";
    void this.call.leave().then(() => this.prepare());
  }

  letIn(person: DailyWaitingParticipant, granted: boolean): void {
    this.call
      .updateWaitingParticipant(person.id, { grantRequestedAccess: granted })
      .catch((error: unknown) => this.notice("problem", error instanceof Error ? clean(error.message, 300) : "That failed."));
  }

  /** Our place was lost with the connection, as when the server was started again: take a new one, once. */
  private comeBack(): void {
    this.screen.value = "prejoin";
    // After the call has told everybody that it is over.
    setTimeout(() => {
      void this.join().then(() => {
        if (this.screen.value === "call") this.notice("info", "The connection was lost. You have joined again.");
      });
    });
  }

  leave(): void {
    this.screen.value = "left";
    void this.call.leave();
  }

  again(): void {
    batch(() => {
      this.screen.value = "prejoin";
      this.problem.value = null;
    });
  }

  // ── ourselves ─────────────────────────────────────────────────────────────────────────────────────────────────────

  toggleMicrophone(): void {
    this.call.setLocalAudio(this.call.localAudio() !== true);
  }

  toggleCamera(): void {
    this.call.setLocalVideo(this.call.localVideo() !== true);
  }

  toggleScreen(): void {
    if (this.call.localScreenVideo() === true) this.call.stopScreenShare();
    else this.call.startScreenShare();
  }

  choose(kind: MediaDeviceKind, deviceId: string): void {
    if (kind === "audiooutput") void this.call.setOutputDeviceAsync({ outputDeviceId: deviceId });
    else void this.call.setInputDevicesAsync(kind === "audioinput" ? { audioDeviceId: deviceId } : { videoDeviceId: deviceId });
  }

  // ── others ────────────────────────────────────────────────────────────────────────────────────────────────────────

  mute(person: DailyParticipant): void {
    this.call.updateParticipant(person.session_id, { setAudio: false });
  }

  unmute(person: DailyParticipant): void {
    this.call.updateParticipant(person.session_id, { setAudio: true });
  }

  remove(person: DailyParticipant): void {
    if (wasDialled(person)) this.hangUp(person.session_id);
    else this.call.updateParticipant(person.session_id, { eject: true });
  }

  hangUp(sessionId: string): void {
    this.call.stopDialOut({ sessionId }).catch((error: unknown) => this.notice("problem", dialRefusal(error)));
  }

  /** Rings what was typed. Returns whether the box may be emptied. */
  async dial(typed: string, displayName: string): Promise<boolean> {
    const target = dialTarget(typed);
    if (typeof target === "string") {
      this.dialError.value = target;
      return false;
    }
    const shown = clean(displayName, 199);
    batch(() => {
      this.dialling.value = true;
      this.dialError.value = null;
    });
    try {
      const { sessionId } = await this.call.startDialOut({ ...target, ...(shown !== "" && { displayName: shown }) });
      if (sessionId !== undefined && !this.isHere(sessionId) && !this.over.has(sessionId)) {
        const label = shown || clean("sipUri" in target ? target.sipUri.slice("sip:".length) : target.phoneNumber);
        this.outgoing.value = [...this.outgoing.value, { sessionId, label }];
      }
      return true;
    } catch (error) {
      this.dialError.value = dialRefusal(error);
      return false;
    } finally {
      this.dialling.value = false;
    }
  }

  // ── notices ───────────────────────────────────────────────────────────────────────────────────────────────────────

  notice(kind: Notice["kind"], text: string): void {
    const id = this.nextNotice;
    this.nextNotice += 1;
    this.notices.value = [...this.notices.value, { id, kind, text }].slice(-MOST_NOTICES);
    if (kind === "info") setTimeout(() => this.dismiss(id), INFO_MS);
  }

  dismiss(id: number): void {
    this.notices.value = this.notices.value.filter((one) => one.id !== id);
  }

  // ── what the call tells ───────────────────────────────────────────────────────────────────────────────────────────

  private listen(): void {
    const { call } = this;
    const refresh = () => (this.people.value = Object.values(call.participants()));
    for (const event of ["participant-updated", "joined-meeting"] as const) call.on(event, refresh);
    call.on("participant-joined", ({ participant }) => {
      refresh();
      this.forget(participant.session_id);
      if (!isPhone(participant) && !this.wasHereBefore(participant)) this.notice("info", `${nameOf(participant)} joined.`);
    });
    call.on("participant-left", ({ participant }) => {
      refresh();
      if (!isPhone(participant)) this.notice("info", `${nameOf(participant)} left.`);
    });
    call.on("joined-meeting", () => {
      this.screen.value = "call";
      void call.room().then((room) => {
        this.mayShare.value = room === null || !("config" in room) || room.config.enable_screenshare !== false;
      });
    });
    call.on("left-meeting", () => this.handleLeft());
    call.on("error", ({ errorMsg, error }) => {
      if (error?.details?.on === "reconnect" && this.screen.value === "call") {
        this.comeBack();
        return;
      }
      this.problem.value = clean(errorMsg, 300);
      this.screen.value = this.screen.value === "joining" || this.screen.value === "waiting" ? "prejoin" : "left";
    });
    const door = () => (this.waiting.value = Object.values(call.waitingParticipants()));
    call.on("waiting-participant-added", ({ participant }) => {
      door();
      this.notice("info", `${clean(participant.name) || "Somebody"} waits to be let in.`);
    });
    call.on("waiting-participant-removed", door);
    call.on("active-speaker-change", ({ activeSpeaker }) => (this.speaker.value = activeSpeaker.peerId));
    call.on("camera-error", ({ error }) => (this.cameraProblem.value = error));
    call.on("available-devices-updated", ({ availableDevices }) => (this.devices.value = availableDevices));
    call.on("selected-devices-updated", ({ devices }) => {
      this.chosen.value = devices;
      this.cameraProblem.value = this.stillBlocked();
      void call.enumerateDevices().then((all) => (this.devices.value = all.devices));
    });
    call.on("nonfatal-error", ({ errorMsg }) => this.notice("problem", clean(errorMsg, 300)));
    call.on("network-connection", ({ type, event }) => {
      const broken = event === "interrupted";
      if (type === "signaling") this.reconnecting.value = broken;
      else this.mediaInterrupted.value = broken;
    });
    this.listenToTelephones();
  }

  private listenToTelephones(): void {
    const { call } = this;
    call.on("dialin-connected", ({ sessionId }) => this.notice("info", `${this.label(sessionId)} is calling in.`));
    call.on("dialin-stopped", ({ sessionId }) => this.notice("info", `${this.label(sessionId)} hung up.`));
    call.on("dialin-warning", ({ errorMsg }) => this.notice("info", clean(errorMsg, 300)));
    call.on("dialin-error", ({ errorMsg }) => this.notice("problem", `A call could not come in: ${clean(errorMsg, 300)}`));
    call.on("dialout-answered", ({ sessionId }) => this.notice("info", `${this.label(sessionId)} answered.`));
    call.on("dialout-stopped", ({ sessionId }) => {
      this.notice("info", `The call with ${this.label(sessionId, "a phone")} ended.`);
      this.forget(sessionId);
    });
    call.on("dialout-warning", ({ errorMsg }) => this.notice("info", clean(errorMsg, 300)));
    call.on("dialout-error", ({ errorMsg, sessionId, details }) => {
      const words = `The call to ${this.label(sessionId, clean(details?.destination ?? "") || "a phone")} failed: ${clean(errorMsg, 300)}`;
      if (this.admin.value) this.dialError.value = words;
      else this.notice("problem", words);
      this.forget(sessionId);
    });
  }

  private handleLeft(): void {
    batch(() => {
      if (this.screen.value === "call") this.screen.value = "left";
      this.people.value = [];
      this.waiting.value = [];
      this.outgoing.value = [];
      this.notices.value = [];
      this.speaker.value = null;
      this.reconnecting.value = false;
      this.mediaInterrupted.value = false;
      this.soundBlocked.value = false;
      this.dialError.value = null;
      this.cameraProblem.value = null;
    });
  }

  /** Names by session, kept after the participant left: the event that says so comes later. */
  private readonly labels = new Map<string, string>();
  /** Calls that are no longer on their way, in case their end overtakes the reply that names them. */
  private readonly over = new Set<string>();

  private label(sessionId: string | undefined, fallback = "A phone"): string {
    if (sessionId === undefined) return fallback;
    const here = this.people.value.find((one) => one.session_id === sessionId);
    if (here !== undefined) this.labels.set(sessionId, nameOf(here));
    return this.labels.get(sessionId) ?? this.outgoing.value.find((one) => one.sessionId === sessionId)?.label ?? fallback;
  }

  private forget(sessionId: string | undefined): void {
    if (sessionId !== undefined) {
      this.label(sessionId);
      this.over.add(sessionId);
    }
    this.outgoing.value = this.outgoing.value.filter((one) => one.sessionId !== sessionId);
  }

  /** Those who were here when we came are told as joining, too. */
  private wasHereBefore({ joined_at }: DailyParticipant): boolean {
    const ours = this.me.value?.joined_at;
    return joined_at !== undefined && ours !== undefined && joined_at <= ours;
  }

  private isJoining(): boolean {
    return this.screen.value === "joining";
  }

  private isWaiting(): boolean {
    return this.screen.value === "waiting";
  }

  private isHere(sessionId: string): boolean {
    return this.people.value.some((one) => one.session_id === sessionId);
  }

  private stillBlocked(): DailyCameraErrorObject | null {
    const { tracks } = this.call.participants().local;
    return tracks.audio.state === "blocked" || tracks.video.state === "blocked" ? this.cameraProblem.value : null;
  }
}

function remembered(storage: Pick<Storage, "getItem">): string {
  try {
    return storage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

function remember(storage: Pick<Storage, "setItem">, name: string): void {
  try {
    storage.setItem(NAME_KEY, name);
  } catch {
    // A browser that forbids storage just asks again.
  }
}
