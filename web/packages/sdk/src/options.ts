/** Call options: which there are, which values they take, and joining several sets of them (later ones win). */

import { checkReceiveSettings } from "./settings/receive";
import { checkSendSettings } from "./settings/send";
import type { DailyCallOptions, DailyFactoryOptions } from "./types";

const USER_DATA_LIMIT = 4096;

const isString = (value: unknown) => typeof value === "string";
const isBoolean = (value: unknown) => typeof value === "boolean";
const isObject = (value: unknown): value is object => typeof value === "object" && value !== null;
const isSource = (value: unknown) => isString(value) || isBoolean(value) || isObject(value);

const CHECKS: Record<string, readonly [(value: unknown) => boolean, string]> = {
  url: [isString, "url should be a string"],
  token: [isString, "token should be a string"],
  userName: [isString, "userName should be a string"],
  userData: [fitsUserData, `userData must be JSON of at most ${USER_DATA_LIMIT} characters`],
  startAudioOff: [isBoolean, "startAudioOff should be a boolean"],
  startVideoOff: [isBoolean, "startVideoOff should be a boolean"],
  audioSource: [isSource, "audioSource should be a device id, a MediaStreamTrack or a boolean"],
  videoSource: [isSource, "videoSource should be a device id, a MediaStreamTrack or a boolean"],
  subscribeToTracksAutomatically: [isBoolean, "subscribeToTracksAutomatically should be a boolean"],
  dailyConfig: [isObject, "dailyConfig should be an object"],
  inputSettings: [isObject, "inputSettings should be an object"],
  receiveSettings: [isReceiveSettings, "receiveSettings should name participants or 'base', each with layers by track"],
  sendSettings: [isSendSettings, "sendSettings should be presets or settings of video and screenVideo"],
  allowMultipleCallInstances: [isBoolean, "allowMultipleCallInstances should be a boolean"],
  strictMode: [isBoolean, "strictMode should be a boolean"],
};

/** Accepted for compatibility; nothing in a call object acts on them. */
const WITHOUT_EFFECT = new Set([
  "lang",
  "aboutClient",
  "theme",
  "layoutConfig",
  "activeSpeakerMode",
  "showLeaveButton",
  "showLocalVideo",
  "showParticipantsBar",
  "showFullscreenButton",
  "showUserNameChangeUI",
  "iframeStyle",
  "customLayout",
  "bodyClass",
  "cssFile",
  "cssText",
  "customTrayButtons",
  "customIntegrations",
]);

/** Whether something serialises to JSON of the allowed size. */
export function fitsUserData(value: unknown): boolean {
  if (value === undefined) return true;
  try {
    return JSON.stringify(value).length <= USER_DATA_LIMIT;
  } catch {
    return false;
  }
}

function isReceiveSettings(value: unknown): boolean {
  return isObject(value) && passes(() => checkReceiveSettings(value, false));
}

function isSendSettings(value: unknown): boolean {
  return isObject(value) && passes(() => checkSendSettings(value));
}

function passes(check: () => void): boolean {
  try {
    check();
    return true;
  } catch {
    return false;
  }
}

/** The options that count. Throws ``property '<name>': …`` for a bad value; warns of names nobody knows. */
export function checkOptions(options: DailyCallOptions & DailyFactoryOptions): DailyFactoryOptions {
  const kept: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(options)) {
    const check = CHECKS[name];
    if (check !== undefined) {
      if (!check[0](value)) throw new Error(`property '${name}': ${check[1]}`);
      kept[name] = value;
    } else if (!WITHOUT_EFFECT.has(name)) {
      console.warn(`Ignoring unrecognized property '${name}'`);
    }
  }
  return kept;
}
