/** What `getUserMedia` threw, as the `camera-error` an application is told: kind, which device, a plain sentence. */

import type { DailyCameraErrorObject } from "../types";

export type MediaKind = "audio" | "video";

const WORDS: Record<MediaKind, string> = { audio: "microphone", video: "camera" };

/** Why there is no `navigator.mediaDevices`: browsers hide it on pages that are not secure. */
export function undefinedMediaDevices(): DailyCameraErrorObject {
  return {
    type: "undefined-mediadevices",
    msg: "This browser gives no microphone or camera to a page that is not secure (https:// or localhost).",
  };
}

export function notFound(kinds: MediaKind[]): DailyCameraErrorObject {
  return { type: "not-found", msg: `No ${spoken(kinds)} was found.`, missingMedia: kinds };
}

export function cameraError(error: unknown, kinds: MediaKind[]): DailyCameraErrorObject {
  const { name, message } = error instanceof Error ? error : { name: "", message: String(error) };
  switch (name) {
    case "NotAllowedError":
    case "SecurityError":
    case "PermissionDeniedError":
      return {
        type: "permissions",
        msg: `Access to the ${spoken(kinds)} was not allowed.`,
        blockedBy: /system|dismissed/i.test(message) ? "browser" : "user",
        blockedMedia: kinds,
      };
    case "NotFoundError":
    case "DevicesNotFoundError":
      return notFound(kinds);
    case "OverconstrainedError":
      return {
        type: "constraints",
        msg: `The chosen ${spoken(kinds)} cannot be used as asked.`,
        reason: "invalid",
        failedMedia: kinds,
      };
    case "NotReadableError":
    case "TrackStartError":
    case "AbortError":
      return { type: inUse(kinds), msg: `Another program is using the ${spoken(kinds)}.` };
    default:
      return { type: "unknown", msg: `The ${spoken(kinds)} could not be started (${message || "no reason given"}).` };
  }
}

function inUse(kinds: MediaKind[]): "cam-in-use" | "mic-in-use" | "cam-mic-in-use" {
  if (kinds.length > 1) return "cam-mic-in-use";
  return kinds[0] === "audio" ? "mic-in-use" : "cam-in-use";
}

function spoken(kinds: MediaKind[]): string {
  return kinds.map((kind) => WORDS[kind]).join(" and ");
}
