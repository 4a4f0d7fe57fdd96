/** What `startDialOut` refuses before anything is sent, with daily-js's sentences. The server checks again. */

import type { DailyStartDialoutOptions } from "../types";

const PREFIX = "Error starting dial out: ";
const AUDIO_CODECS = ["OPUS", "PCMU", "PCMA", "G722"];
const VIDEO_CODECS = ["H264", "VP8"];
const VIDEO_LIMITS = { width: [1280, ""], height: [720, ""], fps: [30, ""], videoBitrate: [1000, " kbps"] } as const;

/** Values from the application: their declared types are not trusted. */
type Untrusted = Record<keyof DailyStartDialoutOptions, unknown>;

function refuse(sentence: string): never {
  throw new Error(PREFIX + sentence);
}

/** Throws the first refusal; returns what to send. */
export function checkDialOut(options: DailyStartDialoutOptions): DailyStartDialoutOptions {
  const given = options as Untrusted;
  checkTarget(given);
  checkVideo(given);
  checkCodecs(given.codecs);
  checkPeople(given);
  checkExtension(given);
  checkProvider(given);
  return options.sipUri === undefined ? { ...options } : { provider: "signalwire", ...options };
}

function checkTarget({ sipUri, phoneNumber, callerId }: Untrusted): void {
  if (!sipUri && !phoneNumber) refuse("either a sip uri or phone number must be provided");
  if (sipUri && phoneNumber) refuse("only one of sip uri or phone number must be provided");
  if (sipUri) {
    if (typeof sipUri !== "string") refuse("sipUri must be a string");
    if (!sipUri.startsWith("sip:")) refuse("Invalid SIP URI, must start with 'sip:'");
    if (callerId !== undefined) refuse("callerId not allowed with sipUri");
  } else {
    if (typeof phoneNumber !== "string") refuse("phoneNumber must be a string");
    if (!/^\+\d{1,}$/.test(phoneNumber)) refuse("Invalid phone number, must be valid phone number as per E.164");
    if (callerId !== undefined && typeof callerId !== "string") refuse("callerId must be a string");
  }
}

function checkVideo({ video, videoSettings }: Untrusted): void {
  if (video !== undefined && typeof video !== "boolean") refuse("video must be a boolean value");
  if (videoSettings === undefined) return;
  if (typeof videoSettings !== "object" || videoSettings === null) refuse("videoSettings must be an object");
  if (video !== true) refuse("videoSettings provided but video is not enabled");
  for (const [name, [limit, unit]] of Object.entries(VIDEO_LIMITS)) {
    const value = (videoSettings as Record<string, unknown>)[name];
    if (value === undefined) continue;
    if (!Number.isInteger(value) || (value as number) <= 0) refuse(`videoSettings.${name} must be a positive integer`);
    if ((value as number) > limit) refuse(`videoSettings.${name} must be less than or equal to ${limit}${unit}`);
  }
}

function checkCodecs(codecs: unknown): void {
  if (typeof codecs !== "object" || codecs === null) return;
  const { audio, video } = codecs as Record<string, unknown>;
  checkCodecList("audio", audio, AUDIO_CODECS, AUDIO_CODECS.join(", "));
  checkCodecList("video", video, VIDEO_CODECS, VIDEO_CODECS.join(" or "));
}

function checkCodecList(kind: string, list: unknown, known: string[], names: string): void {
  if (list === undefined) return;
  if (!Array.isArray(list)) refuse(`${kind} codec must be an array`);
  if (list.length === 0) refuse(`${kind} codec array specified but empty`);
  for (const codec of list as unknown[]) {
    if (typeof codec !== "string") refuse(`${kind} codec must be a string`);
    if (!known.includes(codec)) refuse(kind === "audio" ? `audio codec must be one of ${names}` : `video codec must be ${names}`);
  }
}

function checkPeople({ displayName, userId }: Untrusted): void {
  if (displayName !== undefined) {
    if (typeof displayName !== "string") refuse("displayName must be a string");
    if (displayName.length >= 200) refuse("displayName length must be less than 200");
  }
  if (userId !== undefined && userId !== null) {
    if (typeof userId !== "string") refuse("userId must be a string");
    if (userId.length > 36) refuse("userId length must be less than or equal to 36");
  }
}

function checkExtension({ phoneNumber, extension, waitBeforeExtensionDialSec: wait }: Untrusted): void {
  if (extension !== undefined) {
    if (typeof extension !== "string") refuse("extension must be a string");
    if (extension.length > 20) refuse("extension length must be less than or equal to 20");
    if (!phoneNumber) refuse("extension requires a phoneNumber");
  }
  if (wait !== undefined) {
    if (typeof wait !== "number") refuse("waitBeforeExtensionDialSec must be a number");
    if (wait > 60) refuse("waitBeforeExtensionDialSec must be less than or equal to 60");
    if (!phoneNumber || !extension) refuse("waitBeforeExtensionDialSec requires a phoneNumber and extension");
  }
}

function checkProvider({ provider, phoneNumber }: Untrusted): void {
  if (provider === undefined) return;
  if (phoneNumber) refuse("provider valid only for sipUri, not phoneNumber");
  if (provider !== "daily" && provider !== "signalwire") {
    throw new Error(`Error: provider can be set only to 'daily' or 'signalwire', got: ${JSON.stringify(provider).replaceAll('"', "")}`);
  }
}
