/** How the camera and the screen are encoded: presets and settings of the application, as the browser takes them. */

import type { DailySendSettings, DailyVideoSendSettings } from "../types";

/** One encoding, as `RTCRtpSender.setParameters` takes it. */
type Encoding = Pick<RTCRtpEncodingParameters, "maxBitrate" | "maxFramerate" | "scaleResolutionDownBy" | "active">;
interface Settings {
  maxQuality?: "low" | "medium" | "high";
  encodings: { low: Encoding; medium?: Encoding; high?: Encoding };
}

const LEVELS = ["low", "medium", "high"] as const;
/** Names of the encodings in SDP, lowest first. */
const RIDS = ["l", "m", "h"];

const LOW: Encoding = { maxBitrate: 120_000, scaleResolutionDownBy: 4, maxFramerate: 15 };
const MEDIUM: Encoding = { maxBitrate: 450_000, scaleResolutionDownBy: 2 };
const HIGH: Encoding = { maxBitrate: 1_500_000, scaleResolutionDownBy: 1 };

const CAMERA: Record<string, Settings> = {
  "default-video": { encodings: { low: LOW, medium: MEDIUM, high: HIGH } },
  "bandwidth-optimized": { encodings: { low: { ...LOW, maxBitrate: 80_000 }, medium: { ...MEDIUM, maxBitrate: 250_000 } } },
  "bandwidth-and-quality-balanced": { encodings: { low: LOW, medium: MEDIUM, high: { ...HIGH, maxBitrate: 900_000 } } },
  "quality-optimized": { encodings: { low: LOW, medium: { ...MEDIUM, maxBitrate: 700_000 }, high: { ...HIGH, maxBitrate: 2_500_000 } } },
  "adaptive-2-layers": { encodings: { low: { ...MEDIUM, maxBitrate: 250_000 }, medium: HIGH } },
  "adaptive-3-layers": { encodings: { low: LOW, medium: MEDIUM, high: HIGH } },
};

const SCREEN: Record<string, Settings> = {
  "default-screen-video": { encodings: { low: { maxBitrate: 2_500_000 } } },
  "detail-optimized": { encodings: { low: { maxBitrate: 2_500_000, maxFramerate: 5 } } },
  "motion-optimized": { encodings: { low: { maxBitrate: 2_500_000, maxFramerate: 30, scaleResolutionDownBy: 2 } } },
  "motion-and-detail-balanced": { encodings: { low: { maxBitrate: 2_500_000, maxFramerate: 15 } } },
};

const DEFAULTS = { video: "default-video", screenVideo: "default-screen-video" } as const;
export type SentPicture = keyof typeof DEFAULTS;

/** Throws for a preset nobody knows, or settings that make no sense. */
export function checkSendSettings(settings: DailySendSettings): void {
  for (const name of ["video", "screenVideo"] as const) {
    const wanted = settings[name];
    if (wanted !== undefined) resolve(name, wanted);
  }
}

/** What the browser is to send for `name`: the lowest first; layers that are not wanted are there and not active, as
 * the number of layers cannot change later. */
export function encodingsFor(name: SentPicture, settings: DailySendSettings): RTCRtpEncodingParameters[] {
  const { encodings, maxQuality } = resolve(name, settings[name] ?? DEFAULTS[name]);
  if (name === "screenVideo") return [encodings.low];
  const most = maxQuality === undefined ? LEVELS.length : LEVELS.indexOf(maxQuality) + 1;
  return LEVELS.map((level, at) => {
    const encoding = encodings[level];
    const active = encoding !== undefined && at < most && encoding.active !== false;
    return { ...(encoding ?? HIGH), active, rid: RIDS[at] ?? level };
  });
}

/** What a layer is to be at most, because telephones are passed it on. */
export interface LayerLimit {
  layer: number;
  maxBitrate: number;
  maxFramerate?: number;
}

/** Encodings within limits of the server; what it does not name stays. */
export function withinLimits(encodings: RTCRtpEncodingParameters[], limits: readonly LayerLimit[]): RTCRtpEncodingParameters[] {
  return encodings.map((encoding, at) => {
    const limit = limits.find(({ layer }) => layer === at);
    if (limit === undefined) return encoding;
    const rate = limit.maxFramerate === undefined ? {} : { maxFramerate: least(encoding.maxFramerate, limit.maxFramerate) };
    return { ...encoding, maxBitrate: least(encoding.maxBitrate, limit.maxBitrate), ...rate };
  });
}

const least = (ours: number | undefined, theirs: number): number => Math.min(ours ?? theirs, theirs);

function resolve(name: SentPicture, wanted: string | DailyVideoSendSettings): Settings {
  const presets = name === "video" ? CAMERA : SCREEN;
  const preset = presets[typeof wanted === "string" ? wanted : DEFAULTS[name]];
  if (preset === undefined) {
    throw new Error(`sendSettings: ${name} should be one of ${Object.keys(presets).join(", ")} or an object`);
  }
  if (typeof wanted === "string") return preset;
  const { maxQuality, encodings } = wanted;
  if (maxQuality !== undefined && !LEVELS.includes(maxQuality)) throw new Error("sendSettings: maxQuality should be low, medium or high");
  if (encodings !== undefined && typeof encodings.low !== "object") throw new Error("sendSettings: encodings should have low");
  return { ...(maxQuality !== undefined && { maxQuality }), encodings: encodings ?? preset.encodings };
}
