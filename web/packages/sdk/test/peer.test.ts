import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PeerManager, type Subscription } from "../src/media/peer";
import { type OfferReply, type OfferRequest, SignallingError } from "../src/signalling/wire";
import type { TrackName } from "../src/types";
import { FakeTrack } from "./fakes/devices";
import { type FakePeer, peerFactory } from "./fakes/peer";
import { settle } from "./fakes/wire";

const MIC = new FakeTrack("audio").asTrack();
const CAMERA = new FakeTrack("video").asTrack();
const audioOf = (session_id: string, generation = 1): Subscription => ({ session_id, track: "audio", generation });

function start(encodings?: (name: TrackName) => RTCRtpEncodingParameters[] | undefined) {
  const { create, peers } = peerFactory();
  const offers: (OfferRequest & { answer: (more?: Partial<OfferReply>) => Promise<void>; refuse: (e: Error) => Promise<void> })[] = [];
  const offer = (request: OfferRequest) =>
    new Promise<OfferReply>((resolve, reject) => {
      const answer = (more: Partial<OfferReply> = {}) => {
        resolve({ sdp: "answer", ...more });
        return settle();
      };
      const refuse = (error: Error) => {
        reject(error);
        return settle();
      };
      offers.push({ ...request, answer, refuse });
    });
  const manager = new PeerManager({ createPeer: create, offer, ...(encodings && { encodings }) });
  const heard: string[] = [];
  const name = ({ session_id, track, generation }: Subscription) => `${session_id}/${track}/${generation}`;
  manager.on("received", ({ subscription }) => heard.push(`received ${name(subscription)}`));
  manager.on("gone", ({ subscription, refused }) => heard.push(`gone ${name(subscription)}${refused ? `: ${refused}` : ""}`));
  manager.on("path", (path) => heard.push(path));
  manager.on("failed", ({ message }) => heard.push(`failed: ${message}`));
  const newest = () => {
    const found = offers.at(-1);
    if (found === undefined) throw new Error("no offer was made");
    return found;
  };
  const peer = (): FakePeer => {
    const found = peers[0];
    if (found === undefined) throw new Error("no peer connection was made");
    return found;
  };
  return { manager, peers, peer, offers, newest, heard };
}

describe("the peer connection", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  test("there is none until something is sent or received", async () => {
    const { manager, peers, offers } = start();
    manager.setReceive([]);
    await manager.setSend("audio", null);

    expect(peers).toEqual([]);
    expect(offers).toEqual([]);
  });

  test("what changes in one turn shares an offer that names every m-line", async () => {
    const { manager, offers } = start();
    void manager.setSend("audio", MIC);
    void manager.setSend("video", CAMERA);
    manager.setReceive([audioOf("bob")]);
    await settle();

    expect(offers).toHaveLength(1);
    expect(offers[0]).toMatchObject({
      sdp: "0:audio:sendonly\n1:video:sendonly\n2:audio:recvonly",
      send: [
        { mid: "0", track: "audio" },
        { mid: "1", track: "video" },
      ],
      receive: [{ mid: "2", session_id: "bob", track: "audio" }],
    });
  });

  test("one offer at a time: what changes meanwhile waits for the answer", async () => {
    const { manager, offers, newest, heard } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    manager.setReceive([audioOf("bob"), audioOf("cleo")]);
    manager.setReceive([audioOf("bob"), audioOf("cleo"), audioOf("dan")]);
    await settle();
    expect(offers).toHaveLength(1);

    await newest().answer();
    expect(heard).toEqual(["received bob/audio/1"]);
    expect(offers).toHaveLength(2);
    expect(newest().receive.map(({ session_id }) => session_id)).toEqual(["bob", "cleo", "dan"]);
    await newest().answer();
    expect(heard).toEqual(["received bob/audio/1", "received cleo/audio/1", "received dan/audio/1"]);
    expect(offers).toHaveLength(2);
  });

  test("sending is done once the server knows the m-line", async () => {
    const { manager, newest } = start();
    let done = false;
    void manager.setSend("audio", MIC).then(() => (done = true));
    await settle();
    expect(done).toBe(false);
    await newest().answer();

    expect(done).toBe(true);
  });

  test("muting replaces the track by nothing and needs no offer", async () => {
    const { manager, peer, offers, newest } = start();
    void manager.setSend("audio", MIC);
    await settle();
    await newest().answer();
    await manager.setSend("audio", null);
    expect(peer().transceivers[0]?.sender.track).toBeNull();
    await manager.setSend("audio", MIC);

    expect(peer().transceivers[0]?.sender.track).toBe(MIC);
    expect(offers).toHaveLength(1);
  });

  test("a new generation is another stream on an m-line of its own", async () => {
    const { manager, newest, heard } = start();
    manager.setReceive([audioOf("bob", 1)]);
    await settle();
    await newest().answer();
    manager.setReceive([audioOf("bob", 2)]);
    await settle();

    expect(newest().receive).toEqual([{ mid: "1", session_id: "bob", track: "audio" }]);
    await newest().answer();
    expect(heard).toEqual(["received bob/audio/1", "gone bob/audio/1", "received bob/audio/2"]);
  });

  test("a thousand arrivals and departures do not grow the session", async () => {
    const { manager, offers, newest } = start();
    for (let round = 0; round < 1_000; round += 1) {
      manager.setReceive([audioOf(`guest-${round}`)]);
      await settle();
      await newest().answer();
    }

    expect(offers).toHaveLength(1_000);
    expect(newest().sdp.split("\n").length).toBeLessThanOrEqual(2);
  });

  test("a stream the server refuses is given up with its reason", async () => {
    const { manager, newest, heard } = start();
    manager.setReceive([audioOf("bob"), audioOf("cleo")]);
    await settle();
    await newest().answer({ refused: [{ mid: "0", reason: "not allowed" }] });

    expect(heard).toEqual(["gone bob/audio/1: not allowed", "received cleo/audio/1"]);
    expect(newest().receive.map(({ session_id }) => session_id)).toEqual(["cleo"]);
  });

  test("a refused offer is rolled back and made again", async () => {
    const { manager, peer, offers, newest, heard } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    await newest().refuse(new SignallingError("server-error", "no"));
    expect(peer().signalingState).toBe("stable");
    await vi.advanceTimersByTimeAsync(500);
    await newest().answer();

    expect(offers).toHaveLength(2);
    expect(heard).toEqual(["received bob/audio/1"]);
  });

  test("an offer that is refused three times is given up", async () => {
    const { manager, offers, newest, heard } = start();
    manager.setReceive([audioOf("bob")]);
    for (const pause of [0, 500, 2_000]) {
      await vi.advanceTimersByTimeAsync(pause);
      await newest().refuse(new SignallingError("server-error", "no"));
    }
    await vi.runAllTimersAsync();

    expect(heard).toEqual(["failed: no"]);
    expect(offers).toHaveLength(3);
  });

  test("an offer that got no answer is made again when the signalling is back", async () => {
    const { manager, offers, newest, heard } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    await newest().refuse(new SignallingError("connection-error", "gone"));
    manager.handleSignallingResumed();
    await settle();
    await newest().answer();

    expect(offers).toHaveLength(2);
    expect(heard.at(-1)).toBe("received bob/audio/1");
  });

  test("a path that failed gets a new ICE session at once", async () => {
    const { manager, peer, newest, heard } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    await newest().answer();
    peer().become("connected");
    peer().become("failed");
    await vi.advanceTimersByTimeAsync(0);
    expect(peer().iceRestarts).toBe(1);
    await newest().answer();
    peer().become("connected");

    expect(heard).toEqual(["received bob/audio/1", "connected", "interrupted", "connected"]);
  });

  test("a path that is only disconnected is given three seconds first", async () => {
    const { manager, peer, newest } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    await newest().answer();
    peer().become("connected");
    peer().become("disconnected");
    await vi.advanceTimersByTimeAsync(2_900);
    expect(peer().iceRestarts).toBe(0);
    await vi.advanceTimersByTimeAsync(200);

    expect(peer().iceRestarts).toBe(1);
  });

  test("a path that came back by itself is left alone", async () => {
    const { manager, peer, newest } = start();
    manager.setReceive([audioOf("bob")]);
    await settle();
    await newest().answer();
    peer().become("connected");
    peer().become("disconnected");
    peer().become("connected");
    await vi.advanceTimersByTimeAsync(60_000);

    expect(peer().iceRestarts).toBe(0);
  });

  test("closing settles whoever waits and leaves no timer", async () => {
    const { manager, peer } = start();
    const sending = manager.setSend("audio", MIC);
    await settle();
    peer().become("failed");
    manager.close();
    await sending;

    expect(peer().signalingState).toBe("closed");
    expect(vi.getTimerCount()).toBe(0);
  });

  test("a camera is encoded as it is told, also later, a microphone's encoding is the browser's affair", async () => {
    const wanted = [{ rid: "l", maxBitrate: 100_000 }];
    const { manager, peer } = start((name) => (name === "video" ? wanted : undefined));
    void manager.setSend("audio", MIC);
    void manager.setSend("video", CAMERA);
    await settle();

    expect(peer().transceivers[0]?.encodings).toBeUndefined();
    expect(peer().transceivers[1]?.encodings).toEqual([{ rid: "l", maxBitrate: 100_000 }]);
    wanted[0] = { rid: "l", maxBitrate: 50_000 };
    await manager.applyEncodings();
    expect(peer().transceivers[1]?.encodings).toEqual([{ rid: "l", maxBitrate: 50_000 }]);

    await manager.limit("video", [{ layer: 0, maxBitrate: 40_000, maxFramerate: 15 }]);
    expect(peer().transceivers[1]?.encodings).toEqual([{ rid: "l", maxBitrate: 40_000, maxFramerate: 15 }]);
    await manager.limit("video", []);
    expect(peer().transceivers[1]?.encodings).toEqual([{ rid: "l", maxBitrate: 50_000 }]);
  });
});
