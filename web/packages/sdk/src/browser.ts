/** Which browser this is and what of ours works in it. */

import type { DailyBrowserInfo } from "./types";

const NAMES: readonly (readonly [RegExp, string])[] = [
  [/Edg(?:e|A|iOS)?\/([\d.]+)/, "Edge"],
  [/OPR\/([\d.]+)/, "Opera"],
  [/SamsungBrowser\/([\d.]+)/, "Samsung Internet"],
  [/(?:Firefox|FxiOS)\/([\d.]+)/, "Firefox"],
  [/(?:Chrome|Chromium|CriOS)\/([\d.]+)/, "Chrome"],
  [/Version\/([\d.]+).*Safari\//, "Safari"],
];

export function supportedBrowser(): DailyBrowserInfo {
  const agent = typeof navigator === "undefined" ? "" : navigator.userAgent;
  const [name, version] = nameAndVersion(agent);
  const rtc = typeof RTCPeerConnection !== "undefined" && typeof WebSocket !== "undefined";
  const mobile = /Android|iPhone|iPad|iPod|Mobile/.test(agent);
  const media = (typeof navigator === "undefined" ? {} : navigator) as { mediaDevices?: Partial<MediaDevices> };
  return {
    supported: rtc,
    mobile,
    name,
    version,
    supportsFullscreen: typeof document !== "undefined" && document.fullscreenEnabled,
    supportsScreenShare: media.mediaDevices?.getDisplayMedia !== undefined,
    supportsSfu: rtc,
    supportsVideoProcessing: false,
    supportsAudioProcessing: false,
  };
}

export function nameAndVersion(agent: string): [name: string, version: string] {
  for (const [pattern, name] of NAMES) {
    const match = pattern.exec(agent);
    if (match !== null) return [name, match[1] ?? ""];
  }
  return ["", ""];
}
