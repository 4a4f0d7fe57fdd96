import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { Call } from "../src/call";
import { FatalCallError } from "../src/call-core";
import type { DailyEvent } from "../src/events";
import type { DailyFactoryOptions } from "../src/types";
import { FakeMediaDevices } from "./fakes/devices";
import { peerFactory } from "./fakes/peer";
import { type FakeSocket, socketFactory } from "./fakes/socket";
import { joinReply, settle, talking, wireParticipant } from "./fakes/wire";

const URL = "https://example.com/hello";
const TOLD: DailyEvent[] = [
  "loading",
  "loaded",
  "joining-meeting",
  "access-state-updated",
  "meeting-session-summary-updated",
  "meeting-session-updated",
  "joined-meeting",
  "participant-joined",
  "participant-updated",
  "participant-left",
  "participant-counts-updated",
  "track-started",
  "track-stopped",
  "active-speaker-change",
  "app-message",
  "started-camera",
  "camera-error",
  "network-connection",
  "nonfatal-error",
  "error",
  "left-meeting",
  "call-instance-destroyed",
  "dialin-connected",
  "dialout-error",
  "dtmf-event",
];

function start(options: DailyFactoryOptions = {}, mediaDevices: FakeMediaDevices | undefined = new FakeMediaDevices()) {
  const { create, sockets } = socketFactory();
  const { create: createPeer, peers } = peerFactory();
  const engine = { createSocket: create, createPeer, mediaDevices: mediaDevices.asDevices(), random: () => 0 };
  const call = new Call({ url: URL, ...options }, engine);
  const events: { action: string; [key: string]: unknown }[] = [];
  for (const name of TOLD) call.on(name, (event) => events.push(event as never));
  const socket = (): FakeSocket => {
    const found = sockets.at(-1);
    if (found === undefined) throw new Error("no socket was opened");
    return found;
  };
  const names = () => events.map(({ action }) => action);
  const last = (action: string) => events.findLast((event) => event.action === action);
  return { call, socket, sockets, peers, events, names, last, mediaDevices };
}

type Started = ReturnType<typeof start>;

/** In the room, listening only, unless the options say otherwise. */
async function joined(options: DailyFactoryOptions = { audioSource: false, videoSource: false }, reply = joinReply()) {
  const all = start(options);
  const result = all.call.join();
  await settle();
  all.socket().accept();
  await settle();
  all.socket().reply("join", reply);
  const participants = await result;
  await settle();
  return { ...all, participants };
}

async function answerOffer({ socket }: Pick<Started, "socket">, more: object = {}): Promise<void> {
  socket().reply("offer", { sdp: "answer", ...more });
  await settle();
}

describe("the call object", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("joining tells its steps in order and gives only ourselves; the others come after", async () => {
    const { call, names, participants } = await joined(undefined, joinReply({ participants: [talking("bob")] }));

    expect(names().filter((name) => name !== "participant-updated" && name !== "participant-counts-updated")).toEqual([
      "loading",
      "loaded",
      "joining-meeting",
      "access-state-updated",
      "meeting-session-summary-updated",
      "meeting-session-updated",
      "joined-meeting",
      "participant-joined",
      "network-connection",
    ]);
    expect(Object.keys(participants ?? {})).toEqual(["local"]);
    expect(Object.keys(call.participants())).toEqual(["local", "bob"]);
    expect(call.meetingState()).toBe("joined-meeting");
    expect(call.meetingSessionSummary()).toEqual({ id: "meeting" });
    expect(call.participantCounts()).toEqual({ present: 2, hidden: 0 });
  });

  test("every event carries its name and the call's id", async () => {
    const { call, events } = await joined();
    for (const event of events) expect(event).toMatchObject({ callClientId: call.callClientId });
  });

  test("the token, the name and the data go with the join; the query of the URL does not", async () => {
    const options = { url: `${URL}?t=x`, token: "secret", userName: "Ann", userData: { a: 1 }, audioSource: false, videoSource: false };
    const { socket } = await joined(options);

    expect(socket().asked("join")).toMatchObject({ room: URL, token: "secret", userName: "Ann", userData: { a: 1 } });
  });

  test("without a URL there is nothing to join", async () => {
    const { create } = socketFactory();
    const engine = { createSocket: create, createPeer: peerFactory().create, mediaDevices: undefined, random: () => 0 };
    await expect(new Call({}, engine).join()).rejects.toThrow("No room URL has been provided");
  });

  test("joining twice warns and changes nothing", async () => {
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    const { call, sockets } = await joined();
    expect(await call.join()).toBeUndefined();

    expect(sockets).toHaveLength(1);
    expect(warned).toHaveBeenCalledOnce();
    warned.mockRestore();
  });

  test("where one has to be let in, the lobby is told, and knocking leads in on the same socket", async () => {
    const { call, socket, sockets, events, last } = start({ audioSource: false, videoSource: false });
    const outcome = call.join();
    await settle();
    socket().accept();
    await settle();
    socket().refuse("join", "not-allowed", "Ask to be let in.", { mayKnock: true });
    expect(await outcome).toBeUndefined();
    expect(call.accessState()).toEqual({ access: { level: "lobby" } });
    expect(last("error")).toBeUndefined();

    const access = call.requestAccess({ name: "Eve Again" });
    await settle();
    socket().accept();
    await settle();
    expect(socket().asked("knock")).toMatchObject({ room: URL, userName: "Eve Again" });
    expect(call.accessState().awaitingAccess).toEqual({ level: "full" });
    socket().reply("knock", { session_id: "me" });
    await settle();
    socket().event(0, "access-state-updated", { access: { level: "full" }, granted: true });
    await settle();
    socket().reply("join", joinReply());

    expect(await access).toEqual({ access: { level: "full" }, granted: true });
    expect(call.meetingState()).toBe("joined-meeting");
    expect(sockets).toHaveLength(2);
    const levels = events.filter(({ action }) => action === "access-state-updated");
    expect(levels.map(({ access }) => (access as { level: string }).level)).toEqual(["lobby", "lobby", "full"]);
  });

  test("who is not let in is back in the lobby and may knock again, or go", async () => {
    const { call, socket, last } = start({ audioSource: false, videoSource: false });
    const outcome = call.join();
    await settle();
    socket().accept();
    await settle();
    socket().refuse("join", "not-allowed", "Ask to be let in.", { mayKnock: true });
    await outcome;
    for (const granted of [false, false]) {
      const access = call.requestAccess();
      await settle();
      socket().accept();
      await settle();
      socket().reply("knock", {});
      socket().event(0, "access-state-updated", { granted });
      expect(await access).toEqual({ access: { level: "lobby" }, granted: false });
    }
    const given = call.requestAccess();
    await settle();
    await call.leave();

    expect((await given).granted).toBe(false);
    expect(last("error")).toBeUndefined();
    await expect(call.requestAccess()).rejects.toThrow("only supported from the lobby");
  });

  test("who waits is told once, whichever way it is heard of, and is let in", async () => {
    const eve = { id: "eve", name: "Eve", awaitingAccess: { level: "full" } };
    const { call, socket } = await joined(undefined, joinReply({ waiting: [{ ...eve, owner: false }] }));
    const told: string[] = [];
    call.on("waiting-participant-added", ({ participant }) => told.push(`+${participant.id}`));
    call.on("waiting-participant-removed", ({ participant }) => told.push(`-${participant.id}`));
    expect(call.waitingParticipants()).toEqual({ eve });
    socket().event(1, "waiting-participant-added", { participant: eve });
    socket().event(2, "waiting-participant-added", { participant: { ...eve, id: "bob" } });

    const decided = call.updateWaitingParticipants({ "*": { grantRequestedAccess: true } });
    await settle();
    expect(socket().asked("update-waiting-participants")).toMatchObject({
      participants: { "*": { grantRequestedAccess: true } },
    });
    socket().reply("update-waiting-participants", { ids: ["eve", "bob"] });
    expect(await decided).toEqual({ ids: ["eve", "bob"] });
    socket().event(3, "waiting-participant-removed", { participant: eve });

    expect(told).toEqual(["+bob", "-eve"]);
    expect(Object.keys(call.waitingParticipants())).toEqual(["bob"]);
  });

  test("a refusal is the error event, the rejection and the state at once", async () => {
    const { call, socket, last, names } = start();
    const outcome = call.join().catch((error: unknown) => error);
    await settle();
    socket().accept();
    await settle();
    socket().refuse("join", "exp-room", "This room has expired.");
    const error = await outcome;

    expect(error).toBe(last("error"));
    expect(error).toBeInstanceOf(FatalCallError);
    expect(error).toMatchObject({ errorMsg: "This room has expired.", error: { type: "exp-room", msg: "This room has expired." } });
    expect(call.meetingState()).toBe("error");
    expect(names().at(-1)).toBe("left-meeting");
  });

  test("a room can be joined again after it was left", async () => {
    const all = await joined();
    await all.call.leave();
    expect(all.names().at(-1)).toBe("left-meeting");
    expect(all.socket().asked("leave")).toBeDefined();
    const again = all.call.join();
    await settle();
    all.socket().accept();
    await settle();
    all.socket().reply("join", joinReply({ session_id: "second" }));
    await again;

    expect(all.call.meetingState()).toBe("joined-meeting");
    expect(all.sockets).toHaveLength(2);
  });

  test("leaving while joining ends both", async () => {
    const { call, names } = start();
    const outcome = call.join();
    await settle();
    await call.leave();

    expect(await outcome).toBeUndefined();
    expect(names().at(-1)).toBe("left-meeting");
    expect(call.meetingState()).toBe("left-meeting");
  });

  test("an ejection is fatal: the error, then left-meeting, and every device is let go", async () => {
    const all = await joined({});
    await answerOffer(all);
    all.socket().event(1, "error", { errorMsg: "You were removed.", error: { type: "ejected", msg: "You were removed." } });

    expect(all.names().slice(-2)).toEqual(["error", "left-meeting"]);
    expect(all.last("error")).toMatchObject({ errorMsg: "You were removed.", error: { type: "ejected" } });
    expect(all.mediaDevices.tracks.every(({ readyState }) => readyState === "ended")).toBe(true);
    expect(all.peers[0]?.signalingState).toBe("closed");
  });

  test("somebody who speaks is subscribed, heard of and started in order", async () => {
    const all = await joined();
    all.socket().event(1, "participant-joined", { participant: talking("bob") });
    await settle();
    expect(all.socket().asked("offer")).toMatchObject({ receive: [{ mid: "0", session_id: "bob", track: "audio" }] });
    all.events.length = 0;
    let during: unknown;
    all.call.on("track-started", () => (during = all.call.participants().bob?.tracks.audio.state));
    await answerOffer(all);

    expect(all.names()).toEqual(["track-started", "participant-updated"]);
    expect(during).toBe("loading");
    expect(all.call.participants().bob?.audioTrack).toBe(all.peers[0]?.transceivers[0]?.receiver.track);
  });

  test("our microphone and camera go out and are then announced", async () => {
    const all = await joined({});
    expect(all.socket().asked("offer")).toMatchObject({
      send: [
        { mid: "0", track: "audio" },
        { mid: "1", track: "video" },
      ],
    });
    expect(all.socket().sent.map(({ type }) => type)).not.toContain("track");
    await answerOffer(all);
    const said = all.socket().sent.filter(({ type }) => type === "track");

    expect(said).toMatchObject([
      { track: "audio", state: "playable" },
      { track: "video", state: "playable" },
    ]);
    expect([all.call.localAudio(), all.call.localVideo()]).toEqual([true, true]);
  });

  test("muting pauses the m-line, says so and shows who did it", async () => {
    const all = await joined({});
    await answerOffer(all);
    all.call.setLocalAudio(false);
    await settle();

    expect(all.socket().asked("track")).toMatchObject({ track: "audio", state: "off" });
    expect(all.peers[0]?.transceivers[0]?.sender.track).toBeNull();
    expect(all.call.participants().local.tracks.audio).toMatchObject({ state: "off", off: { byUser: true } });
    expect(all.call.localAudio()).toBe(false);
  });

  test("a mute by somebody else turns the microphone off once; turning it on again is ours", async () => {
    const all = await joined({});
    await answerOffer(all);
    const muted = wireParticipant("me", { tracks: { audio: { state: "off", generation: 1, off: { byRemoteRequest: true } } } });
    all.socket().event(1, "participant-updated", { participant: muted });
    await settle();
    expect(all.call.participants().local.tracks.audio).toMatchObject({ state: "off", off: { byRemoteRequest: true } });

    all.call.setLocalAudio(true);
    await settle();
    all.socket().event(2, "participant-updated", { participant: { ...muted, user_name: "New" } });
    await settle();
    expect(all.call.localAudio()).toBe(true);
  });

  test("a request to turn the camera off is obeyed, one to turn it on is not", async () => {
    const all = await joined({});
    await answerOffer(all);
    all.socket().event(1, "remote-request", { changes: { setVideo: false }, fromId: "bob" });
    await settle();
    expect(all.call.localVideo()).toBe(false);
    all.socket().event(2, "remote-request", { changes: { setVideo: true }, fromId: "bob" });
    await settle();

    expect(all.call.localVideo()).toBe(false);
  });

  test("what the room or the token wants off at first is off, and can be turned on", async () => {
    const room = { ...joinReply().room, config: { start_video_off: true }, tokenConfig: { start_audio_off: true } };
    const { call } = await joined({}, joinReply({ room }));
    expect([call.localAudio(), call.localVideo()]).toEqual([false, false]);
    call.setLocalAudio(true);
    await settle();

    expect(call.localAudio()).toBe(true);
  });

  test("a token that wants it on wins over a room that wants it off", async () => {
    const off = { start_audio_off: true, start_video_off: true };
    const room = { ...joinReply().room, config: off, tokenConfig: { start_audio_off: false } };
    const { call } = await joined({}, joinReply({ room }));

    expect([call.localAudio(), call.localVideo()]).toEqual([true, false]);
  });

  test("the connection's quality is told when it changes", async () => {
    const all = await joined(undefined, joinReply({ participants: [talking("bob")] }));
    await answerOffer(all);
    const told: string[] = [];
    all.call.on("network-quality-change", ({ networkState }) => told.push(networkState));
    const counts = { type: "inbound-rtp", timestamp: 0, bytesReceived: 0, packetsReceived: 0, packetsLost: 0 };
    for (const lost of [0, 0, 50, 0]) {
      counts.timestamp += 2_000;
      counts.packetsReceived += 100 - lost;
      counts.packetsLost += lost;
      all.peers[0]?.stats.set("inbound", { ...counts });
      await vi.advanceTimersByTimeAsync(2_000);
    }

    expect(told).toEqual(["good", "bad", "good"]);
  });

  test("startCamera shows ourselves before joining", async () => {
    const { call, names, mediaDevices } = start();
    const devices = await call.startCamera();

    expect(devices).toMatchObject({ camera: { deviceId: "cam-1" }, mic: { deviceId: "mic-1" } });
    expect(names()).toContain("started-camera");
    expect(call.participants().local.tracks.video.state).toBe("playable");
    expect(mediaDevices.requests).toHaveLength(1);
  });

  test("startCamera after joining says what to use instead", async () => {
    const { call } = await joined();
    await expect(call.startCamera()).rejects.toThrow("startCamera() not supported after joining a meeting.");
  });

  test("telephony events are passed on as the server wrote them", async () => {
    const all = await joined();
    const payload = { sessionId: "tel", provider: "daily", sipCallId: "c", sipHeaders: { "X-A": "b" } };
    all.socket().event(1, "dialin-connected", payload);
    all.socket().event(2, "dialout-error", { errorMsg: "busy (486 Busy Here)", message: "busy", provider: "daily" });
    all.socket().event(3, "dtmf-event", { tone: "5", volume: 10, method: "telephone-event", sessionId: "tel" });
    all.socket().event(4, "from-the-future", {});

    expect(all.last("dialin-connected")).toMatchObject(payload);
    expect(all.last("dialout-error")).toMatchObject({ errorMsg: "busy (486 Busy Here)" });
    expect(all.last("dtmf-event")).toMatchObject({ tone: "5", volume: 10 });
    expect(all.names()).not.toContain("from-the-future");
  });

  test("a dial-out resolves with its session and can be sent twice without ringing twice", async () => {
    const all = await joined();
    const result = all.call.startDialOut({ sipUri: "sip:bob@example.com", displayName: "Bob" });
    await settle();
    expect(all.socket().asked("dialout-start")).toMatchObject({
      options: { sipUri: "sip:bob@example.com", displayName: "Bob", provider: "signalwire" },
      idempotencyKey: expect.stringMatching(/^[0-9a-f-]{36}$/) as string,
    });
    all.socket().reply("dialout-start", { session: { sessionId: "tel" }, sessionId: "tel" });

    expect(await result).toEqual({ session: { sessionId: "tel" }, sessionId: "tel" });
  });

  test("hanging up a call that is over is no error, any other refusal is", async () => {
    const { call, socket } = await joined();
    const over = call.stopDialOut({ sessionId: "tel" });
    await settle();
    socket().refuse("dialout-stop", "not-found", "no call tel");
    await over;
    const forbidden = call.stopDialOut({ sessionId: "tel" });
    await settle();
    socket().refuse("dialout-stop", "forbidden-error", "you may not");

    await expect(forbidden).rejects.toMatchObject({ type: "forbidden-error", message: "you may not" });
  });

  test.each([
    ["startDialOut", (call: Call) => call.startDialOut({ sipUri: "sip:a@b" })],
    ["stopDialOut", (call: Call) => call.stopDialOut({ sessionId: "s" })],
    ["sendDTMF", (call: Call) => call.sendDTMF({ sessionId: "s", tones: "1" })],
  ])("%s works only after joining", async (name, act) => {
    await expect(act(start().call)).rejects.toThrow(`${name}() only supported after join.`);
  });

  test("a message that is too large is refused with the limit the server announced", async () => {
    const room = { ...joinReply().room, domainConfig: { max_app_message_size: 10 } };
    const { call, socket } = await joined(undefined, joinReply({ room }));
    expect(() => call.sendAppMessage("123456789")).toThrow("Message data too large. Max size is 10");
    call.sendAppMessage("12345678", "bob");
    await settle();

    expect(socket().asked("app-message")).toMatchObject({ data: "12345678", to: "bob" });
  });

  test("a message from somebody comes with its sender", async () => {
    const all = await joined();
    all.socket().event(1, "app-message", { data: { a: 1 }, fromId: "bob" });
    expect(all.last("app-message")).toMatchObject({ data: { a: 1 }, fromId: "bob" });
  });

  test("the active speaker is told when it changes and not otherwise", async () => {
    const all = await joined();
    for (const [seq, peerId] of [
      [1, "bob"],
      [2, "bob"],
      [3, "me"],
    ] as const) {
      all.socket().event(seq, "active-speaker-change", { activeSpeaker: { peerId } });
    }

    expect(all.names().filter((name) => name === "active-speaker-change")).toHaveLength(2);
    expect(all.call.getActiveSpeaker()).toEqual({ peerId: "me" });
  });

  test("updates of others go to the server, subscriptions stay here, ours are done here", async () => {
    const all = await joined({ audioSource: false, videoSource: false, subscribeToTracksAutomatically: false });
    all.socket().event(1, "participant-joined", { participant: talking("bob") });
    all.call.updateParticipants({
      bob: { setAudio: false, eject: true, setSubscribedTracks: true, updatePermissions: { canSend: new Set(["audio"]) } },
      me: { setVideo: false },
    });
    await settle();

    expect(all.socket().asked("update-participants")).toMatchObject({
      participants: { bob: { setAudio: false, eject: true, updatePermissions: { canSend: ["audio"] } } },
    });
    expect(all.socket().asked("offer")).toMatchObject({ receive: [{ session_id: "bob" }] });
  });

  test("subscribing by hand is refused while it is automatic, and unknown updates always", async () => {
    const { call } = await joined();
    expect(() => call.updateParticipant("bob", { setSubscribedTracks: true })).toThrow(/setSubscribedTracks cannot be used/);
    expect(() => call.updateParticipant("bob", { dance: true } as never)).toThrow("unrecognized updateParticipant property dance");
  });

  test("an update the server refuses is a nonfatal error", async () => {
    const all = await joined();
    all.call.updateParticipant("bob", { eject: true });
    await settle();
    all.socket().refuse("update-participants", "forbidden-error", "only owners may");
    await settle();

    expect(all.last("nonfatal-error")).toMatchObject({ errorMsg: "only owners may" });
    expect(all.call.meetingState()).toBe("joined-meeting");
  });

  test("a broken connection is told, mended, and nobody has left", async () => {
    const all = await joined(undefined, joinReply({ participants: [talking("bob")] }));
    all.events.length = 0;
    all.socket().drop();
    await vi.advanceTimersByTimeAsync(300);
    all.socket().accept();
    await settle();
    all.socket().reply("join", joinReply({ participants: [talking("bob")] }));
    await settle();

    expect(all.events.filter(({ action }) => action === "network-connection")).toMatchObject([
      { type: "signaling", event: "interrupted" },
      { type: "signaling", event: "connected" },
    ]);
    expect(all.names()).not.toContain("participant-left");
    expect(all.call.meetingState()).toBe("joined-meeting");
  });

  test("a resync brings who came meanwhile and says our tracks again", async () => {
    const all = await joined({});
    await answerOffer(all);
    all.socket().drop();
    await vi.advanceTimersByTimeAsync(300);
    all.socket().accept();
    await settle();
    all.socket().reply("join", joinReply({ resync: true, seq: 9, participants: [talking("cleo")] }));
    await settle();

    expect(Object.keys(all.call.participants())).toEqual(["local", "cleo"]);
    expect(all.socket().asked("track")).toMatchObject({ state: "playable" });
  });

  test("a resync brings what the layers of our pictures are to be now", async () => {
    const all = await joined({});
    await answerOffer(all);
    const camera = () => all.peers.at(-1)?.transceivers.find(({ kind }) => kind === "video")?.encodings?.at(0);
    const before = camera()?.maxBitrate;
    all.socket().drop();
    await vi.advanceTimersByTimeAsync(300);
    all.socket().accept();
    await settle();
    const limits = [{ track: "video" as const, layers: [{ layer: 0, maxBitrate: 30_000, maxFramerate: 7 }] }];
    all.socket().reply("join", joinReply({ resync: true, seq: 9, send_layers: limits }));
    await settle();

    expect(before).toBeGreaterThan(30_000);
    expect(camera()).toMatchObject({ maxBitrate: 30_000, maxFramerate: 7 });
  });

  test("a connection that does not come back is a fatal connection-error", async () => {
    const all = await joined();
    all.socket().drop();
    for (const limit = Date.now() + 40_000; Date.now() < limit && all.last("error") === undefined; ) {
      await vi.advanceTimersToNextTimerAsync();
      all.socket().drop();
      await settle();
    }

    expect(all.last("error")).toMatchObject({ error: { type: "connection-error", details: { on: "reconnect" } } });
    expect(all.call.meetingState()).toBe("error");
  });

  test("room() is pending before and the room's facts after joining", async () => {
    const { call } = start();
    expect(await call.room()).toEqual({ roomUrlPendingJoin: URL });
    const inside = await joined();

    expect(await inside.call.room()).toEqual({
      id: "room",
      name: "hello",
      config: {},
      domainConfig: { max_app_message_size: 4096 },
      tokenConfig: {},
    });
  });

  test("a new name is the server's, and shown at once", async () => {
    const { call, socket } = await joined();
    const result = call.setUserName("Bo\u202eb");
    await settle();
    socket().reply("set-user-name", { userName: "Bob" });

    expect(await result).toEqual({ userName: "Bob" });
    expect(call.participants().local.user_name).toBe("Bob");
  });

  test("after destroy nothing works and nothing is left", async () => {
    const all = await joined({});
    await answerOffer(all);
    await all.call.destroy();

    expect(all.names().at(-1)).toBe("call-instance-destroyed");
    expect(all.call.isDestroyed()).toBe(true);
    expect(() => all.call.participants()).toThrow("Use after destroy");
    expect(() => all.call.setLocalAudio(true)).toThrow("Use after destroy");
    expect(all.mediaDevices.listening).toBe(0);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a bad option is refused with its name, an unknown one warned of", () => {
    const warned = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    expect(() => start({ token: 5 as never })).toThrow("property 'token': token should be a string");
    start({ colour: "red" } as never);

    expect(warned).toHaveBeenCalledWith("Ignoring unrecognized property 'colour'");
    warned.mockRestore();
  });

  test("a handler that throws does not keep the event from the others", async () => {
    const reported = vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { call, socket, names } = await joined();
    const order: string[] = [];
    call.once("app-message", () => {
      order.push("first");
      throw new Error("mine");
    });
    call.on("app-message", () => order.push("second"));
    socket().event(1, "app-message", { data: 1, fromId: "bob" });
    socket().event(2, "app-message", { data: 2, fromId: "bob" });

    expect(order).toEqual(["first", "second", "second"]);
    expect(names().filter((name) => name === "app-message")).toHaveLength(2);
    expect(reported).toHaveBeenCalledOnce();
    reported.mockRestore();
  });
});
