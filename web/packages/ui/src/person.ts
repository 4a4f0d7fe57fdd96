/** A participant as the page shows it: pure questions about daily-js's object. */

import type { DailyParticipant } from "ringback-js";
import { clean } from "./text";

export function isPhone({ participantType }: DailyParticipant): boolean {
  return participantType !== undefined && /^(sip|pstn)-dial-(in|out)$/.test(participantType);
}

export function wasDialled({ participantType }: DailyParticipant): boolean {
  return participantType === "sip-dial-out" || participantType === "pstn-dial-out";
}

export function nameOf(person: DailyParticipant): string {
  const name = clean(person.user_name);
  if (name !== "") return name;
  return isPhone(person) ? "Phone" : "Guest";
}

/** Whether somebody may dial out, mute and remove. */
export function mayAdminister(person: DailyParticipant | undefined): boolean {
  if (person === undefined) return false;
  const { canAdmin } = person.permissions;
  return person.owner || canAdmin === true || (canAdmin instanceof Set && canAdmin.has("participants"));
}

/** Where a phone's call is, in a word or two; null for anybody else. */
export function callWords(person: DailyParticipant): string | null {
  if (!isPhone(person)) return null;
  if (person.onHold === true) return "On hold";
  return person.callState === "ringing" ? "Ringing…" : "Answered";
}

/** What a phone is shown: in a few words, and with everybody's name. */
export interface Seen {
  words: string;
  names: string;
}

/** Null for whoever is shown nothing, or is no phone with a screen. */
export function seenWords({ sees }: DailyParticipant, people: readonly DailyParticipant[]): Seen | null {
  const names = (sees?.tracks ?? []).flatMap(({ session_id, track }) => {
    const who = people.find((one) => one.session_id === session_id);
    if (who === undefined) return [];
    if (track === "screenVideo") return [who.local ? "your screen" : `${nameOf(who)}’s screen`];
    return [who.local ? "you" : nameOf(who)];
  });
  const [first] = names;
  if (sees === undefined || first === undefined) return null;
  const others = names.length > 1 ? `${first} and ${names.length - 1} more` : first;
  const words = sees.layout === "grid" && names.length > 1 ? `a grid of ${names.length}` : others;
  return { words: `Sees ${words}`, names: `Is shown ${names.join(", ")}` };
}

export function isSilent(person: DailyParticipant): boolean {
  const { state } = person.tracks.audio;
  return state === "off" || state === "blocked";
}
