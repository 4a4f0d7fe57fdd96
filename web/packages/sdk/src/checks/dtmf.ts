/** What `sendDTMF` refuses before anything is sent, with daily-js's sentences. The server checks again. */

import type { DailySendDtmfOptions } from "../types";

const METHODS = ["sip-info", "telephone-event", "auto"];

/** Throws the first refusal; returns what to send, defaults filled in. */
export function checkDtmf(options: DailySendDtmfOptions): Required<DailySendDtmfOptions> {
  const { sessionId, tones, method = "auto", digitDurationMs = 500 } = options as unknown as Record<string, unknown>;
  if (!sessionId || !tones) throw new Error("sessionId and tones are mandatory parameter");
  if (typeof sessionId !== "string" || typeof tones !== "string") {
    throw new Error("sessionId and tones should be of string type");
  }
  if (tones.length > 20) throw new Error("tones string must be upto 20 characters");
  for (const tone of tones) if (!/[0-9A-D*#]/.test(tone)) throw new Error(`${tone} is not valid DTMF tone`);
  if (!METHODS.includes(method as string)) {
    throw new Error("method must be one of 'sip-info', 'telephone-event', or 'auto'");
  }
  if (typeof digitDurationMs !== "number") throw new Error("digitDurationMs must be a number");
  if (!Number.isInteger(digitDurationMs)) throw new Error("digitDurationMs must be a finite integer number");
  if (digitDurationMs < 50 || digitDurationMs > 2000) {
    throw new Error("digitDurationMs must be between 50ms and 2000ms");
  }
  return { sessionId, tones, method: method as "auto", digitDurationMs };
}
