/** Ringback rooms in a browser: `Daily.createCallObject()` and the types that go with it. */

import { supportedBrowser } from "./browser";
import { Call } from "./call";
import type { DailyBrowserInfo, DailyFactoryOptions } from "./types";
import { VERSION } from "./version";

const instances = new Set<Call>();

/** One call per page, unless `allowMultipleCallInstances` says otherwise. */
function createCallObject(options: DailyFactoryOptions = {}): Call {
  if (instances.size > 0 && options.allowMultipleCallInstances !== true) {
    if (options.strictMode !== false) throw new Error("Duplicate DailyIframe instances are not allowed");
    console.warn("Duplicate DailyIframe instances are not allowed");
  }
  const call = new Call(options, undefined, (gone) => instances.delete(gone));
  instances.add(call);
  return call;
}

/** Without an id: the oldest one. */
function getCallInstance(callClientId?: string): Call | undefined {
  return [...instances].find((call) => callClientId === undefined || call.callClientId === callClientId);
}

const Daily = {
  createCallObject,
  getCallInstance,
  supportedBrowser: (): DailyBrowserInfo => supportedBrowser(),
  version: (): string => VERSION,
};

export default Daily;
export { Call, Call as DailyCall } from "./call";
export { FatalCallError, type InputSettings } from "./call-core";
export type * from "./events";
export type * from "./types";
