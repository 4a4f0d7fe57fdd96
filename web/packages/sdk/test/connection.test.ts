import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { SignallingConnection } from "../src/signalling/connection";
import { bareRoomUrl, type EventFrame, type JoinRequest, SignallingError, signallingUrl } from "../src/signalling/wire";
import { type FakeSocket, socketFactory } from "./fakes/socket";
import { joinReply, settle } from "./fakes/wire";

const REQUEST: JoinRequest = { room: "https://example.com/hello", receive: true, client: { name: "t", version: "0" } };

function start() {
  const { create, sockets } = socketFactory();
  const connection = new SignallingConnection({ createSocket: create, random: () => 0 });
  const heard: string[] = [];
  const events: EventFrame[] = [];
  connection.on("interrupted", () => heard.push("interrupted"));
  connection.on("resumed", ({ resync }) => heard.push(resync === true ? "resynced" : "resumed"));
  connection.on("lost", ({ message }) => heard.push(`lost: ${message}`));
  connection.on("event", (frame) => events.push(frame));
  const newest = (): FakeSocket => {
    const socket = sockets.at(-1);
    if (socket === undefined) throw new Error("no socket was opened");
    return socket;
  };
  return { connection, sockets, newest, heard, events };
}

async function joined() {
  const all = start();
  const reply = all.connection.join("wss://example.com/rtc", REQUEST);
  all.newest().accept();
  await settle();
  all.newest().reply("join", joinReply());
  await reply;
  return all;
}

/** Lets the pause pass and the next socket open. */
async function reopen({ newest, sockets }: Awaited<ReturnType<typeof joined>>): Promise<void> {
  const before = sockets.length;
  while (sockets.length === before) await vi.advanceTimersToNextTimerAsync();
  newest().accept();
  await settle();
}

describe("the signalling connection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("the socket is found from the room's URL and never told its query", () => {
    expect(signallingUrl("https://example.com:8443/hello?t=secret")).toBe("wss://example.com:8443/rtc");
    expect(signallingUrl("http://localhost:7880/hello")).toBe("ws://localhost:7880/rtc");
    expect(bareRoomUrl("https://example.com/hello?t=secret#x")).toBe("https://example.com/hello");
    expect(() => signallingUrl("ftp://example.com/hello")).toThrow("a room URL starts with https:// or http://");
  });

  test("join asks once and answers with the reply", async () => {
    const { connection, newest } = start();
    const reply = connection.join("wss://example.com/rtc", REQUEST);
    newest().accept();
    await settle();

    expect(newest().asked("join")).toMatchObject({ room: "https://example.com/hello", resume: null });
    newest().reply("join", joinReply({ session_id: "s-1" }));
    expect((await reply).session_id).toBe("s-1");
  });

  test("a refused join is told in the server's words and not tried again", async () => {
    const { connection, newest, sockets } = start();
    const reply = connection.join("wss://example.com/rtc", REQUEST);
    newest().accept();
    await settle();
    newest().refuse("join", "no-room", "There is no such room.");

    await expect(reply).rejects.toMatchObject({ type: "no-room", message: "There is no such room." });
    await vi.runAllTimersAsync();
    expect(sockets).toHaveLength(1);
  });

  test("a server that cannot be reached is tried three times, then said to be", async () => {
    const { connection, newest, sockets } = start();
    const outcome = connection.join("wss://example.com/rtc", REQUEST).catch((error: unknown) => error);
    for (let attempt = 1; attempt <= 3; attempt += 1) {
      newest().drop();
      await settle();
      if (attempt < 3) await vi.advanceTimersToNextTimerAsync();
    }

    expect(await outcome).toBeInstanceOf(SignallingError);
    expect(sockets).toHaveLength(3);
  });

  test("a reply that never comes ends the attempt after eight seconds", async () => {
    const { connection, newest, sockets } = start();
    void connection.join("wss://example.com/rtc", REQUEST).catch(() => undefined);
    newest().accept();
    await vi.advanceTimersByTimeAsync(8_000);
    await vi.advanceTimersToNextTimerAsync();

    expect(sockets).toHaveLength(2);
  });

  test("closing while joining settles the join", async () => {
    const { connection } = start();
    const outcome = connection.join("wss://example.com/rtc", REQUEST).catch((error: unknown) => error);
    connection.close();

    expect(await outcome).toBeInstanceOf(SignallingError);
  });

  test("requests find their replies whatever the order", async () => {
    const { connection, newest } = await joined();
    const first = connection.request("set-user-name", { userName: "A" });
    const second = connection.request("set-user-data", { userData: 1 });

    newest().reply("set-user-data", { userData: 1 });
    newest().refuse("set-user-name", "invalid-request-error", "too long");

    expect(await second).toMatchObject({ userData: 1 });
    await expect(first).rejects.toMatchObject({ type: "invalid-request-error", message: "too long" });
  });

  test("an event that overtakes the join reply comes after it", async () => {
    const { connection, newest, events } = start();
    const order: string[] = [];
    connection.on("joined", () => order.push("joined"));
    connection.on("event", ({ event }) => order.push(event));
    void connection.join("wss://example.com/rtc", REQUEST);
    newest().accept();
    await settle();
    newest().event(1, "participant-joined");
    newest().reply("join", joinReply());
    await settle();

    expect(order).toEqual(["joined", "participant-joined"]);
    expect(events).toHaveLength(1);
  });

  test("an event is heard once, however often it is sent", async () => {
    const { newest, events } = await joined();
    newest().event(1, "app-message");
    newest().event(1, "app-message");
    newest().event(2, "app-message");

    expect(events.map(({ seq }) => seq)).toEqual([1, 2]);
  });

  test("garbage from the server is dropped", async () => {
    const { newest, events, heard } = await joined();
    for (const data of ["", "{", "[]", "null", '{"type":"event"}', '{"type":"reply","id":99,"ok":true}', new ArrayBuffer(4)]) {
      newest().raw(data);
    }

    expect(events).toEqual([]);
    expect(heard).toEqual([]);
  });

  test("a broken socket is resumed from the last event seen", async () => {
    const all = await joined();
    all.newest().event(1, "app-message");
    all.newest().event(2, "app-message");
    all.newest().drop();
    await reopen(all);

    expect(all.newest().asked("join")).toMatchObject({ resume: { session_id: "me", secret: "secret", seq: 2 } });
    all.newest().reply("join", joinReply({ seq: 2 }));
    await settle();
    all.newest().event(3, "app-message");

    expect(all.heard).toEqual(["interrupted", "resumed"]);
    expect(all.events.map(({ seq }) => seq)).toEqual([1, 2, 3]);
  });

  test("after a resync the server's count of events holds", async () => {
    const all = await joined();
    all.newest().drop();
    await reopen(all);
    all.newest().reply("join", joinReply({ seq: 40, resync: true }));
    await settle();
    all.newest().event(40, "app-message");
    all.newest().event(41, "app-message");

    expect(all.heard).toEqual(["interrupted", "resynced"]);
    expect(all.events.map(({ seq }) => seq)).toEqual([41]);
  });

  test("what was asked meanwhile is sent after the resume, what was unanswered again if it may be", async () => {
    const all = await joined();
    const safe = all.connection.request("track", { track: "audio", state: "off" });
    const unsafe = all.connection.request("app-message", { data: 1 }, false);
    all.newest().drop();
    const meanwhile = all.connection.request("set-user-name", { userName: "B" });
    const refused = expect(unsafe).rejects.toMatchObject({ type: "connection-error" });
    await reopen(all);
    all.newest().reply("join", joinReply());
    await settle();

    expect(all.newest().sent.map(({ type }) => type)).toEqual(["join", "track", "set-user-name"]);
    all.newest().reply("track");
    all.newest().reply("set-user-name", { userName: "B" });
    await Promise.all([safe, meanwhile, refused]);
  });

  test("the pauses between attempts double up to four seconds", async () => {
    const all = await joined();
    const times: number[] = [];
    all.newest().drop();
    const start = Date.now();
    while (times.length < 7) {
      const before = all.sockets.length;
      await vi.advanceTimersToNextTimerAsync();
      if (all.sockets.length === before) continue;
      times.push(Date.now() - start);
      all.newest().drop();
      await settle();
    }

    const pauses = times.map((time, index) => time - (times[index - 1] ?? 0));
    expect(pauses).toEqual([250, 500, 1000, 2000, 4000, 4000, 4000]);
  });

  test("our place is given up when its grace is over", async () => {
    const all = await joined();
    all.newest().drop();
    for (const limit = Date.now() + 30_000; Date.now() < limit && all.heard.length < 2; ) {
      await vi.advanceTimersToNextTimerAsync();
      all.newest().drop();
      await settle();
    }

    expect(all.heard).toEqual(["interrupted", "lost: The connection to the server was lost."]);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a refused resume ends it with the server's words", async () => {
    const all = await joined();
    all.newest().drop();
    await reopen(all);
    all.newest().refuse("join", "connection-error", "You were away for too long.");
    await settle();

    expect(all.heard).toEqual(["interrupted", "lost: You were away for too long."]);
  });

  test("a network that says it is back is believed at once", async () => {
    const all = await joined();
    all.newest().drop();
    const before = all.sockets.length;
    all.connection.handleOnline();

    expect(all.sockets).toHaveLength(before + 1);
  });

  test("ten silent seconds are asked about, and eight more end the socket", async () => {
    const all = await joined();
    await vi.advanceTimersByTimeAsync(10_000);
    expect(all.newest().asked("ping")).toBeDefined();
    await vi.advanceTimersByTimeAsync(8_000);

    expect(all.heard).toEqual(["interrupted"]);
  });

  test("a server that answers pings keeps its socket", async () => {
    const all = await joined();
    for (let round = 0; round < 5; round += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      all.newest().reply("ping");
      await vi.advanceTimersByTimeAsync(8_000);
    }

    expect(all.heard).toEqual([]);
  });

  test("leaving says so, closes, and leaves nothing behind", async () => {
    const all = await joined();
    const waiting = all.connection.request("set-user-name", { userName: "C" }).catch((error: unknown) => error);
    all.connection.leave();

    expect(all.newest().asked("leave")).toBeDefined();
    expect(all.newest().closedWith).toBe(1000);
    expect(await waiting).toBeInstanceOf(SignallingError);
    expect(vi.getTimerCount()).toBe(0);
    expect(all.heard).toEqual([]);
  });

  test("a request nobody answers is given up after thirty seconds", async () => {
    const all = await joined();
    const outcome = all.connection.request("set-user-name", { userName: "D" }).catch((error: unknown) => error);
    for (let round = 0; round < 3; round += 1) {
      await vi.advanceTimersByTimeAsync(10_000);
      all.newest().reply("ping");
    }

    expect(await outcome).toMatchObject({ type: "connection-error" });
  });
});
