/** What somebody typed into the dial-out box, as what `startDialOut` takes; and its refusals in plain words. */

import { clean } from "./text";

export type DialTarget = { sipUri: string } | { phoneNumber: string };

/** `+49 30 123-45` → a number; `bob@example.com`, `sip:bob@example.com` → an address; a sentence for anything else. */
export function dialTarget(typed: string): DialTarget | string {
  const text = typed.trim();
  if (text === "") return "Type a phone number or a SIP address.";
  if (/^sips:/i.test(text)) return "Secure SIP addresses (sips:) cannot be called. Try the same one with sip:.";
  if (/^sip:/i.test(text)) return { sipUri: `sip:${text.slice(4)}` };
  if (/^tel:/i.test(text)) return dialTarget(text.slice(4));
  if (text.includes("@") || /^[a-z0-9.-]+:\d+$/i.test(text)) return { sipUri: `sip:${text}` };
  const digits = text.replace(/[\s().\-/]/g, "");
  if (/^\+\d+$/.test(digits)) return { phoneNumber: digits };
  if (/^\d+$/.test(digits)) return "A phone number starts with + and the country code, like +49 30 1234567.";
  return "This is neither a phone number (+49 30 1234567) nor a SIP address (bob@example.com).";
}

/** A refusal without the prefix that is meant for programmers. */
export function dialRefusal(error: unknown): string {
  const message = error instanceof Error ? error.message : "The call could not be started.";
  const words = clean(message.replace(/^Error starting dial out: /, ""), 300);
  return words === "" ? "The call could not be started." : sentence(words);
}

function sentence(words: string): string {
  const upper = words.charAt(0).toUpperCase() + words.slice(1);
  return /[.!?…]$/.test(upper) ? upper : `${upper}.`;
}
