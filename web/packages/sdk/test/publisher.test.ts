import { describe, expect, test } from "vitest";
import { Publisher } from "../src/state/publisher";
import { FakeTrack } from "./fakes/devices";
import { settle } from "./fakes/wire";

const MIC = new FakeTrack("audio").asTrack();

function start() {
  const did: string[] = [];
  let release = () => {};
  let gate: Promise<void> | null = null;
  const publisher = new Publisher({
    send: async (name, track) => {
      did.push(`send ${name} ${track === null ? "nothing" : "track"}`);
      if (gate !== null) await gate;
    },
    tell: (name, { state }) => {
      did.push(`tell ${name} ${state}`);
      return Promise.resolve();
    },
    show: (name, { state }, off) => did.push(`show ${name} ${state}${off ? ` ${Object.keys(off).join()}` : ""}`),
  });
  const block = () => {
    gate = new Promise((resolve) => (release = resolve));
  };
  const unblock = async () => {
    gate = null;
    release();
    await settle();
  };
  return { publisher, did, block, unblock };
}

describe("what goes out", () => {
  test("before joining it is only shown", async () => {
    const { publisher, did } = start();
    publisher.update("audio", { state: "playable", track: MIC });
    await settle();

    expect(did).toEqual(["show audio playable"]);
  });

  test("the others hear of a track after the server knows its m-line", async () => {
    const { publisher, did, block, unblock } = start();
    publisher.update("audio", { state: "playable", track: MIC });
    did.length = 0;
    block();
    publisher.handleJoined(true);
    await settle();
    expect(did).toEqual(["show audio playable", "send audio track"]);
    await unblock();

    expect(did.at(-1)).toBe("tell audio playable");
  });

  test("many quick changes end in the last and tell it once", async () => {
    const { publisher, did, block, unblock } = start();
    publisher.handleJoined(true);
    block();
    publisher.update("audio", { state: "playable", track: MIC });
    await settle();
    for (const state of ["off", "playable", "off"] as const) publisher.update("audio", { state, track: MIC });
    await unblock();

    expect(did.filter((line) => line.startsWith("tell"))).toEqual([]);
    expect(did.filter((line) => line.startsWith("send")).at(-1)).toBe("send audio nothing");
  });

  test("what may not be sent is off for that reason and not sent", async () => {
    const { publisher, did } = start();
    publisher.handleJoined(new Set(["video"]));
    publisher.update("audio", { state: "playable", track: MIC });
    await settle();

    expect(did).toEqual(["show audio off byCanSendPermission", "send audio nothing"]);
  });

  test("a permission that is given back sends again", async () => {
    const { publisher, did } = start();
    publisher.handleJoined(false);
    publisher.update("audio", { state: "playable", track: MIC });
    await settle();
    publisher.handlePermissions(true);
    await settle();

    expect(did.slice(-2)).toEqual(["send audio track", "tell audio playable"]);
  });

  test("after a resync everything is said again", async () => {
    const { publisher, did } = start();
    publisher.handleJoined(true);
    publisher.update("audio", { state: "playable", track: MIC });
    await settle();
    did.length = 0;
    publisher.repeat();
    await settle();

    expect(did.at(-1)).toBe("tell audio playable");
  });
});
