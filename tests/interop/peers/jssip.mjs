// JsSIP under node: registers over secure WebSocket, calls a room, is asked OPTIONS, hangs up. A line of JSON per event.
// Its WebRTC is replaced by a description that the test gives it: sound is the test's own.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

const [modules, settings] = process.argv.slice(2);
const { url, ca, username, password, host, target, sdp } = JSON.parse(settings);
const require = createRequire(modules);
const { WebSocket } = require("ws");
const JsSIP = require("jssip");
const tell = (event, more = {}) => console.log(JSON.stringify({ event, ...more }));

globalThis.WebSocket = class extends WebSocket {
  constructor(address, protocols) {
    super(address, protocols, { ca: readFileSync(ca) });
    this.on("error", (error) => tell("socket-error", { words: error.message }));
  }
};
globalThis.RTCPeerConnection = class extends EventTarget {
  iceGatheringState = "complete";
  iceConnectionState = "connected";
  signalingState = "stable";
  async createOffer() {
    return { type: "offer", sdp };
  }
  async setLocalDescription(description) {
    this.localDescription = description;
  }
  async setRemoteDescription(description) {
    tell("remote", { sdp: description.sdp });
  }
  getSenders() {
    return [];
  }
  addTrack() {}
  close() {}
};
globalThis.RTCSessionDescription = class {
  constructor(init) {
    Object.assign(this, init);
  }
};
globalThis.window = globalThis;

const ua = new JsSIP.UA({
  sockets: [new JsSIP.WebSocketInterface(url)],
  uri: `sip:${username}@${host}`,
  password,
  register_expires: 120,
});
ua.on("connected", () => tell("connected"));
ua.on("registered", () => tell("registered"));
ua.on("registrationFailed", ({ cause }) => tell("registration-failed", { cause }));
let session;
createInterface({ input: process.stdin }).on("line", (line) => {
  if (line === "call") {
    const on = {
      progress: () => tell("progress"),
      confirmed: () => tell("confirmed"),
      ended: ({ cause, originator }) => tell("ended", { cause, originator }),
      failed: ({ cause }) => tell("failed", { cause }),
    };
    session = ua.call(target, { eventHandlers: on, mediaStream: { getTracks: () => [] } });
  } else if (line === "hangup") {
    session.terminate();
  } else if (line === "quit") {
    ua.stop();
    setTimeout(() => process.exit(0), 500);
  }
});
ua.start();
