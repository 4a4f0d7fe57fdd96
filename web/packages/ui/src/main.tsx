/** Starts the page: one call object, one model over it, one tree of components. */

import { render } from "preact";
import Daily, { type Call } from "ringback-js";
import { App } from "./app";
import { RoomModel } from "./model";
import { placeOf } from "./place";

declare global {
  interface Window {
    /** For tests and for the curious: the call behind the page. */
    ringback?: { call: Call };
  }
}

const call = Daily.createCallObject();
const model = new RoomModel(call, placeOf(window.location), window.isSecureContext, window.localStorage);
window.ringback = { call };

const root = document.getElementById("app");
if (root !== null) render(<App model={model} />, root);
