import { describe, expect, test } from "vitest";
import { Roster } from "../src/state/roster";
import { FakeTrack } from "./fakes/devices";
import { talking, wireParticipant } from "./fakes/wire";

const track = () => new FakeTrack("audio").asTrack();
const audioOf = (session_id: string, generation = 1) => ({ session_id, track: "audio" as const, generation });

function start() {
  const roster = new Roster();
  const heard: string[] = [];
  const state = (id: string) => roster.participants()[id]?.tracks.audio.state ?? "nobody";
  roster.on("participant-joined", ({ participant }) => heard.push(`joined ${participant.session_id}`));
  roster.on("participant-updated", ({ participant }) =>
    heard.push(`updated ${participant.session_id}: ${participant.tracks.audio.state}`),
  );
  roster.on("participant-left", ({ participant }) => heard.push(`left ${participant.session_id}, now ${state(participant.session_id)}`));
  roster.on("track-started", ({ participant, type }) =>
    heard.push(`started ${type} of ${participant?.session_id ?? ""}, still ${state(participant?.session_id ?? "")}`),
  );
  roster.on("track-stopped", ({ participant, type }) =>
    heard.push(`stopped ${type} of ${participant?.session_id ?? ""}, still ${state(participant?.session_id ?? "")}`),
  );
  roster.on("participant-counts-updated", ({ participantCounts }) => heard.push(`${participantCounts.present} present`));
  return { roster, heard };
}

describe("the roster", () => {
  test("a track starts while participants() still shows it loading, then the participant is updated", () => {
    const { roster, heard } = start();
    roster.apply(talking("bob"));
    roster.handleReceived(audioOf("bob"), track());

    expect(heard).toEqual([
      "joined bob",
      "2 present",
      "started audio of bob, still loading",
      "updated bob: playable",
    ]);
  });

  test("a mute stops the track before the update, and keeps the persistent one", () => {
    const { roster, heard } = start();
    const sound = track();
    roster.apply(talking("bob"));
    roster.handleReceived(audioOf("bob"), sound);
    heard.length = 0;
    roster.apply(wireParticipant("bob", { tracks: { audio: { state: "off", generation: 1, off: { byUser: true } } } }));

    expect(heard).toEqual(["stopped audio of bob, still playable", "updated bob: off"]);
    expect(roster.participants().bob?.tracks.audio).toEqual({
      subscribed: true,
      state: "off",
      off: { byUser: true },
      persistentTrack: sound,
    });
  });

  test("what changes nothing tells nothing", () => {
    const { roster, heard } = start();
    roster.apply(talking("bob"));
    heard.length = 0;
    roster.apply(talking("bob"));

    expect(heard).toEqual([]);
  });

  test("who leaves stops first and is gone when that is told", () => {
    const { roster, heard } = start();
    roster.apply(talking("bob"));
    roster.handleReceived(audioOf("bob"), track());
    heard.length = 0;
    roster.remove("bob");

    expect(heard).toEqual(["stopped audio of bob, still playable", "left bob, now nobody", "1 present"]);
  });

  test("a muted stream stays subscribed, one that never was is not", () => {
    const { roster } = start();
    roster.apply(talking("bob"));
    roster.apply(wireParticipant("bob", { tracks: { audio: { state: "off", generation: 1 }, video: { state: "off", generation: 0 } } }));

    expect(roster.subscriptions()).toEqual([audioOf("bob")]);
  });

  test("a new generation is wanted instead of the old, and the old track is dropped", () => {
    const { roster } = start();
    roster.apply(talking("bob", 1));
    roster.handleReceived(audioOf("bob", 1), track());
    roster.apply(talking("bob", 2));

    expect(roster.subscriptions()).toEqual([audioOf("bob", 2)]);
    expect(roster.participants().bob?.tracks.audio.state).toBe("loading");
    roster.handleReceived(audioOf("bob", 1), track());
    expect(roster.participants().bob?.tracks.audio.state).toBe("loading");
  });

  test("without automatic subscription nothing is wanted until it is chosen", () => {
    const { roster } = start();
    roster.automatic = false;
    roster.apply(talking("bob"));
    expect(roster.subscriptions()).toEqual([]);
    expect(roster.participants().bob?.tracks.audio.state).toBe("sendable");
    roster.choose("bob", { audio: true });
    expect(roster.subscriptions()).toEqual([audioOf("bob")]);
    roster.choose("bob", { audio: "staged" });

    expect(roster.subscriptions()).toEqual([]);
    expect(roster.participants().bob?.tracks.audio).toMatchObject({ subscribed: "staged", state: "sendable" });
    expect(roster.choose("nobody", true)).toBe(false);
  });

  test("turning automatic subscription off keeps what is received", () => {
    const { roster } = start();
    roster.apply(talking("bob"));
    roster.setAutomatic(false);
    roster.apply(talking("cleo"));

    expect(roster.subscriptions()).toEqual([audioOf("bob")]);
  });

  test("an interrupted path shows on everybody who was playing", () => {
    const { roster } = start();
    roster.apply(talking("bob"));
    roster.handleReceived(audioOf("bob"), track());
    roster.setInterrupted(true);
    expect(roster.participants().bob?.tracks.audio).toMatchObject({ state: "interrupted" });
    expect(roster.participants().bob?.tracks.audio.track).toBeUndefined();
    roster.setInterrupted(false);

    expect(roster.participants().bob?.tracks.audio.state).toBe("playable");
  });

  test("a track the server refuses is off by permission", () => {
    const { roster } = start();
    roster.apply(talking("bob"));
    roster.handleReceived(audioOf("bob"), undefined);

    expect(roster.participants().bob?.tracks.audio).toMatchObject({ state: "off", off: { byCanReceivePermission: true } });
  });

  test("after a resync whoever is missing has left and whoever is new has joined", () => {
    const { roster, heard } = start();
    roster.apply(talking("bob"));
    roster.apply(talking("cleo"));
    heard.length = 0;
    roster.replaceAll([talking("cleo"), talking("dan")]);

    expect(heard.filter((line) => !line.includes("present"))).toEqual(["left bob, now nobody", "joined dan"]);
  });

  test("a phone shows its call's state, and a browser none", () => {
    const { roster } = start();
    roster.apply(talking("tel", 1, { participantType: "sip-dial-in", callState: "ringing", onHold: false }));
    roster.apply(talking("bob"));

    expect(roster.participants().tel).toMatchObject({ participantType: "sip-dial-in", callState: "ringing", onHold: false });
    expect(roster.participants().bob).not.toHaveProperty("participantType");
    expect(roster.participants().bob).not.toHaveProperty("callState");
  });

  test("permissions that are lists become sets", () => {
    const { roster } = start();
    const permissions = { hasPresence: true, canSend: ["audio"], canReceive: { base: true }, canAdmin: ["participants"] };
    roster.setLocal(wireParticipant("me", { permissions }));

    expect(roster.participants().local.permissions).toMatchObject({
      canSend: new Set(["audio"]),
      canAdmin: new Set(["participants"]),
    });
  });

  test("hidden participants are counted apart", () => {
    const { roster, heard } = start();
    roster.setLocal(wireParticipant("me"));
    roster.setHidden(2);

    expect(roster.participantCounts()).toEqual({ present: 1, hidden: 2 });
    expect(heard).toEqual(["1 present"]);
  });
});
