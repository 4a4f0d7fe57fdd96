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

export function isSilent(person: DailyParticipant): boolean {
  const { state } = person.tracks.audio;
  return state === "off" || state === "blocked";
}
