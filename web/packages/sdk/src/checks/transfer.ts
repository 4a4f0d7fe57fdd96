/** What `sipCallTransfer` and `sipRefer` refuse before anything is sent, with daily-js's sentences. The server checks
 * again. */

import type { DailySipCallTransferOptions, DailySipReferOptions } from "../types";

type Untrusted = Record<string, unknown>;

/** Throws the first refusal; returns what to send. */
export function checkTransfer(options: DailySipCallTransferOptions): Untrusted {
  const given = required(options, "sipCallTransfer");
  const { toEndPoint, callerId, extension, waitBeforeExtensionDialSec: wait } = given as Untrusted & {
    toEndPoint: string;
  };
  const number = toEndPoint.startsWith("+");
  if (!number && !toEndPoint.startsWith("sip:")) {
    throw new Error(`toEndPoint: ${toEndPoint} must starts with either "sip:" or "+"`);
  }
  if (callerId !== undefined && typeof callerId !== "string") throw new Error("callerId must be a string");
  if (callerId && !number) throw new Error("callerId is only valid when transferring to a PSTN number");
  if (extension !== undefined) {
    if (typeof extension !== "string") throw new Error("extension must be a string");
    if (extension.length > 20) throw new Error("extension length must be less than or equal to 20");
    if (!number) throw new Error("extension is only valid when transferring to a PSTN number");
  }
  if (wait !== undefined) {
    if (typeof wait !== "number") throw new Error("waitBeforeExtensionDialSec must be a number");
    if (wait > 60) throw new Error("waitBeforeExtensionDialSec must be less than or equal to 60");
    if (wait && !extension) throw new Error("waitBeforeExtensionDialSec requires a phoneNumber and extension");
  }
  return { ...given, useSipRefer: false };
}

/** Throws the first refusal; returns what to send. */
export function checkRefer(options: DailySipReferOptions): Untrusted {
  const { sessionId, toEndPoint } = required(options, "sipRefer") as { sessionId: string; toEndPoint: string };
  if (!toEndPoint.startsWith("sip:")) throw new Error('"toEndPoint" must be a "sip" address');
  return { sessionId, toEndPoint, useSipRefer: true };
}

function required(options: unknown, name: string): Untrusted {
  const { sessionId, toEndPoint } = (options ?? {}) as Untrusted;
  if (!sessionId || !toEndPoint) throw new Error(`${name}() requires a sessionId and toEndPoint`);
  if (typeof sessionId !== "string" || typeof toEndPoint !== "string") {
    throw new Error("sessionId and toEndPoint should be of string type");
  }
  return { ...(options as Untrusted) };
}
