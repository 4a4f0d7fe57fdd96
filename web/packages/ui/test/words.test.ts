import type { DailyParticipant } from "ringback-js";
import { describe, expect, test } from "vitest";
import { dialRefusal, dialTarget } from "../src/dial";
import { callWords, isPhone, mayAdminister, nameOf, seenWords } from "../src/person";
import { placeOf } from "../src/place";
import { clean, initials } from "../src/text";

describe("text of strangers", () => {
  test.each([
    ["Ann", "Ann"],
    ["  two \t lines\r\nhere ", "two lines here"],
    ["evil\u202egnp.exe", "evil gnp.exe"],
    ["\u2066isolated\u2069", "isolated"],
    ["zero\u200bwidth\ufeff", "zero width"],
    ["bell\u0007 and \u009b31m", "bell and 31m"],
    ["<b>not markup</b>", "<b>not markup</b>"],
    ["Zoë 🦊 مرحبا", "Zoë 🦊 مرحبا"],
    ["", ""],
  ])("%j is shown as %j", (given, shown) => {
    expect(clean(given)).toBe(shown);
  });

  test("long text is cut between characters, never inside one", () => {
    expect(clean("🦊".repeat(50), 10)).toBe(`${"🦊".repeat(9)}…`);
  });

  test.each([
    ["Ann Example", "AE"],
    ["ann", "A"],
    ["Ann van der Example", "AE"],
    ["“Bob”", "B"],
    ["+49 30 123", "41"],
    ["🦊", ""],
    ["", ""],
  ])("the initials of %j are %j", (name, expected) => {
    expect(initials(name)).toBe(expected);
  });
});

describe("what is typed into the dial box", () => {
  test.each([
    ["sip:bob@example.com", { sipUri: "sip:bob@example.com" }],
    ["SIP:bob@example.com", { sipUri: "sip:bob@example.com" }],
    ["bob@example.com", { sipUri: "sip:bob@example.com" }],
    ["  bob@127.0.0.1:5080;transport=tcp ", { sipUri: "sip:bob@127.0.0.1:5080;transport=tcp" }],
    ["127.0.0.1:5080", { sipUri: "sip:127.0.0.1:5080" }],
    ["+49 (30) 123-45.67", { phoneNumber: "+49301234567" }],
    ["tel:+4930123", { phoneNumber: "+4930123" }],
  ])("%j", (typed, expected) => {
    expect(dialTarget(typed)).toEqual(expected);
  });

  test.each([
    ["", /Type a phone number/],
    ["030 123456", /starts with \+/],
    ["bob", /neither a phone number/],
    ["sips:bob@example.com", /sips:/],
    ["+49x", /neither a phone number/],
  ])("%j is answered in words", (typed, expected) => {
    expect(dialTarget(typed)).toMatch(expected);
  });

  test("a refusal is a sentence without the part meant for programmers", () => {
    expect(dialRefusal(new Error("Error starting dial out: callerId must be a string"))).toBe("CallerId must be a string.");
    expect(dialRefusal(new Error("dial-out not enabled for room"))).toBe("Dial-out not enabled for room.");
    expect(dialRefusal("?")).toBe("The call could not be started.");
  });
});

const person = (more: object): DailyParticipant =>
  ({ user_name: "", owner: false, permissions: { canAdmin: false }, ...more }) as DailyParticipant;

describe("people", () => {
  test.each([
    [{ participantType: "sip-dial-in", callState: "ringing" }, "Ringing…"],
    [{ participantType: "sip-dial-out", callState: "answered" }, "Answered"],
    [{ participantType: "pstn-dial-in", callState: "answered", onHold: true }, "On hold"],
    [{}, null],
    [{ participantType: "remote-media-player" }, null],
  ])("the call of %j is %j", (more, words) => {
    expect(callWords(person(more))).toBe(words);
    expect(isPhone(person(more))).toBe(words !== null);
  });

  const [ann, bob, me] = [
    person({ session_id: "a", user_name: "Ann" }),
    person({ session_id: "b", user_name: "Bob" }),
    person({ session_id: "m", user_name: "Me", local: true }),
  ];
  test.each([
    ["one", [["a", "video"]], "Sees Ann", "Is shown Ann"],
    ["one", [["m", "video"]], "Sees you", "Is shown you"],
    ["one", [["b", "screenVideo"]], "Sees Bob’s screen", "Is shown Bob’s screen"],
    ["speaker", [["b", "video"], ["a", "video"], ["m", "video"]], "Sees Bob and 2 more", "Is shown Bob, Ann, you"],
    ["grid", [["a", "video"], ["b", "video"]], "Sees a grid of 2", "Is shown Ann, Bob"],
    ["speaker", [["gone", "video"], ["a", "video"]], "Sees Ann", "Is shown Ann"],
  ])("a phone that is shown %s of %j says %j", (layout, tracks, words, names) => {
    const sees = { layout, tracks: tracks.map(([session_id, track]) => ({ session_id, track })) };
    expect(seenWords(person({ sees }), [ann, bob, me])).toEqual({ words, names });
  });

  test("whoever is shown nothing that is here says nothing", () => {
    expect(seenWords(person({}), [ann])).toBeNull();
    expect(seenWords(person({ sees: { layout: "one", tracks: [{ session_id: "gone", track: "video" }] } }), [ann])).toBeNull();
  });

  test("whoever has no name has a word for what they are", () => {
    expect(nameOf(person({ user_name: "\u202e" }))).toBe("Guest");
    expect(nameOf(person({ participantType: "sip-dial-in" }))).toBe("Phone");
  });

  test.each([
    [{ owner: true }, true],
    [{ permissions: { canAdmin: true } }, true],
    [{ permissions: { canAdmin: new Set(["participants"]) } }, true],
    [{ permissions: { canAdmin: new Set(["streaming"]) } }, false],
    [{}, false],
  ])("%j may dial out: %s", (more, expected) => {
    expect(mayAdminister(person(more))).toBe(expected);
  });
});

test("the place is the path's one segment, with the token beside it", () => {
  expect(placeOf({ origin: "https://x.test", pathname: "/my_room", search: "?t=abc" })).toEqual({
    url: "https://x.test/my_room",
    room: "my_room",
    token: "abc",
  });
  expect(placeOf({ origin: "https://x.test", pathname: "/%ff", search: "" })).toMatchObject({ room: "%ff", token: null });
});
