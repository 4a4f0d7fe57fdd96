import { describe, expect, test } from "vitest";
import { arrange, type Arrangeable, pageAt } from "../src";

const face = (id: string): Arrangeable => ({ id, local: false, screen: false });
const me: Arrangeable = { id: "me", local: true, screen: false };
const screen: Arrangeable = { id: "screen", local: false, screen: true };

// tiles, order before, speaker, tiles on the first page → order
const ORDERS: [why: string, tiles: Arrangeable[], before: string[], speaker: string | null, first: number, expected: string][] = [
  ["we come last", [me, face("a"), face("b")], [], null, 4, "a b me"],
  ["the order shown so far holds", [face("a"), face("b"), face("c")], ["c", "a", "b"], null, 4, "c a b"],
  ["who is new comes after", [face("a"), face("b"), me], ["b", "me"], null, 4, "b a me"],
  ["who left leaves no hole", [face("a"), face("c")], ["a", "b", "c"], null, 4, "a c"],
  ["a shared screen comes first", [face("a"), screen, me], ["a", "me"], null, 4, "screen a me"],
  ["who speaks on the first page stays put", [face("a"), face("b"), face("c")], ["a", "b", "c"], "b", 2, "a b c"],
  ["who speaks on a later page changes places", [face("a"), face("b"), face("c")], ["a", "b", "c"], "c", 2, "a c b"],
  ["but not with a screen", [screen, face("a"), face("b")], ["screen", "a", "b"], "b", 1, "screen a b"],
  ["we speaking moves nobody", [face("a"), face("b"), me], ["a", "b", "me"], "me", 2, "a b me"],
  ["a speaker who is not here moves nobody", [face("a"), face("b")], ["a", "b"], "ghost", 1, "a b"],
];

describe("the order of tiles", () => {
  test.each(ORDERS)("%s", (_, tiles, before, speaker, first, expected) => {
    expect(arrange(tiles, before, speaker, first).join(" ")).toBe(expected);
  });
});

// tiles, per page, page asked for → shown, page, pages
const PAGES: [ids: string, perPage: number, wanted: number, shown: string, index: number, count: number][] = [
  ["a b c", 2, 0, "a b", 0, 2],
  ["a b c", 2, 1, "c", 1, 2],
  ["a b c", 2, 7, "c", 1, 2],
  ["a b c", 2, -1, "a b", 0, 2],
  ["a b c", 9, 0, "a b c", 0, 1],
  ["a b", 0, 1, "b", 1, 2],
  ["", 4, 0, "", 0, 1],
];

describe("pages", () => {
  test.each(PAGES)("%s by %i, page %i", (ids, perPage, wanted, shown, index, count) => {
    const page = pageAt(ids.split(" ").filter(Boolean), perPage, wanted);
    expect([page.ids.join(" "), page.index, page.count]).toEqual([shown, index, count]);
  });
});
