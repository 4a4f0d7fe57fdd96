/**
 * The WebSocket to the server: requests with replies, events in order, and coming back after it broke.
 *
 * A broken socket is resumed with growing pauses for as long as the server keeps our place (`grace_s`); meanwhile
 * requests wait. Events that were seen before are dropped by their `seq`.
 */

import { Emitter } from "../emitter";
import {
  type EventFrame,
  type JoinReply,
  type JoinRequest,
  parseFrame,
  type ReplyFrame,
  SignallingError,
} from "./wire";

const FIRST_PAUSE_MS = 250;
const LONGEST_PAUSE_MS = 4_000;
const OPEN_TIMEOUT_MS = 8_000;
const REPLY_TIMEOUT_MS = 30_000;
const PING_EVERY_MS = 10_000;
const SILENCE_LIMIT_MS = 8_000;
const FIRST_JOIN_ATTEMPTS = 3;

export interface ConnectionEvents {
  /** In the meeting. Comes before any `event`, and before `join` resolves. */
  joined: JoinReply;
  event: EventFrame;
  interrupted: undefined;
  /** Back on a new socket; with `resync` the participants in it replace what was known. */
  resumed: JoinReply;
  /** Our place is gone: the grace is over or the server refused. Nothing follows. */
  lost: SignallingError;
}

/** What the connection needs of the world. */
export interface ConnectionDeps {
  createSocket: (url: string) => WebSocket;
  random: () => number;
}

interface Pending {
  frame: Record<string, unknown>;
  sent: boolean;
  retry: boolean;
  timer: ReturnType<typeof setTimeout>;
  resolve: (reply: ReplyFrame) => void;
  reject: (error: SignallingError) => void;
}

type State = "idle" | "joining" | "joined" | "interrupted" | "closed";

export class SignallingConnection extends Emitter<ConnectionEvents> {
  private state: State = "idle";
  private url = "";
  private socket: WebSocket | null = null;
  private lastId = 0;
  private lastSeq = 0;
  private joined: JoinReply | null = null;
  private early: EventFrame[] = [];
  private readonly pending = new Map<number, Pending>();
  private brokenAt = 0;
  /** Settles what waits for the socket or a pause, when that will not happen any more. */
  private abandon: (() => void) | null = null;
  private attempt = 0;
  private heard = false;
  private retryTimer: ReturnType<typeof setTimeout> | undefined;
  private pingTimer: ReturnType<typeof setTimeout> | undefined;

  constructor(private readonly deps: ConnectionDeps) {
    super();
  }

  /** Opens the socket and joins. Rejects with what the server said, or `connection-error` when it cannot be reached. */
  async join(url: string, request: JoinRequest): Promise<JoinReply> {
    this.url = url;
    this.state = "joining";
    for (let attempt = 1; ; attempt += 1) {
      try {
        const socket = await this.open();
        const reply = (await this.ask(socket, { type: "join", ...request, resume: null })) as unknown as JoinReply;
        this.settle(socket, reply, "joined");
        return reply;
      } catch (error) {
        const refused = !(error instanceof SocketBroke);
        if (refused || attempt >= FIRST_JOIN_ATTEMPTS || this.isClosed()) {
          this.close();
          throw refused ? error : unreachable();
        }
        await this.pause(attempt);
      }
    }
  }

  /**
   * Asks to be let in, waits for as long as it takes, and then joins. `null`: nobody would open. What breaks meanwhile
   * ends the wait.
   */
  async knock(url: string, request: JoinRequest): Promise<JoinReply | null> {
    this.url = url;
    this.state = "joining";
    try {
      const socket = await this.open();
      await this.ask(socket, { type: "knock", ...request });
      if (!(await this.decision(socket))) {
        this.close();
        return null;
      }
      const reply = (await this.ask(socket, { type: "join", ...request, resume: null })) as unknown as JoinReply;
      this.settle(socket, reply, "joined");
      return reply;
    } catch (error) {
      const refused = !(error instanceof SocketBroke);
      this.close();
      throw refused ? error : unreachable();
    }
  }

  /**
   * Sends a request and waits for its reply; rejects with the server's refusal.
   *
   * @param retry whether it may be sent again when the socket broke before the reply (it must then do no harm twice).
   */
  request(type: string, fields: object = {}, retry = true): Promise<ReplyFrame> {
    if (this.state !== "joined" && this.state !== "interrupted") {
      return Promise.reject(new SignallingError("connection-error", "There is no connection to the server."));
    }
    const id = this.nextId();
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.pending.delete(id);
        reject(new SignallingError("connection-error", "The server did not answer."));
      }, REPLY_TIMEOUT_MS);
      const pending: Pending = { frame: { id, type, ...fields }, sent: false, retry, timer, resolve, reject };
      this.pending.set(id, pending);
      if (this.state === "joined") this.transmit(pending);
    });
  }

  /** Says goodbye (best effort) and closes. No event follows. */
  leave(): void {
    if (this.state === "joined") this.socket?.send(JSON.stringify({ id: this.nextId(), type: "leave" }));
    this.close();
  }

  /** Closes without a word, as after a fatal error of the server's. */
  close(): void {
    this.state = "closed";
    clearTimeout(this.retryTimer);
    clearTimeout(this.pingTimer);
    this.dropSocket();
    for (const [id, pending] of this.pending) this.refuse(id, pending);
  }

  /** The network says it is back: do not wait out the pause. */
  handleOnline(): void {
    if (this.state === "interrupted" && this.socket === null) {
      clearTimeout(this.retryTimer);
      void this.resume();
    }
  }

  // ── one socket ────────────────────────────────────────────────────────────────────────────────────────────────────

  private open(): Promise<WebSocket> {
    return new Promise((resolve, reject) => {
      let socket: WebSocket;
      try {
        socket = this.deps.createSocket(this.url);
      } catch {
        reject(new SocketBroke());
        return;
      }
      this.socket = socket;
      this.abandon = () => reject(new SocketBroke());
      const timer = setTimeout(() => this.dropSocket(), OPEN_TIMEOUT_MS);
      socket.onopen = () => {
        clearTimeout(timer);
        resolve(socket);
      };
      socket.onclose = () => {
        clearTimeout(timer);
        if (this.socket === socket) this.socket = null;
        reject(new SocketBroke());
      };
    });
  }

  /** The one exchange before a socket is ours: join or resume. */
  private ask(socket: WebSocket, fields: Record<string, unknown>): Promise<ReplyFrame> {
    const id = this.nextId();
    this.early = [];
    return new Promise((resolve, reject) => {
      this.abandon = () => reject(new SocketBroke());
      const timer = setTimeout(() => this.dropSocket(), OPEN_TIMEOUT_MS);
      socket.onclose = () => {
        clearTimeout(timer);
        if (this.socket === socket) this.socket = null;
        reject(new SocketBroke());
      };
      socket.onmessage = ({ data }: MessageEvent) => {
        const frame = parseFrame(data);
        if (frame?.type === "event") this.early.push(frame);
        if (frame?.type !== "reply" || (frame.id !== id && frame.id !== null)) return;
        clearTimeout(timer);
        if (frame.ok) resolve(frame);
        else reject(refusal(frame));
      };
      socket.send(JSON.stringify({ id, ...fields }));
    });
  }

  /** Whether somebody opened the door. */
  private decision(socket: WebSocket): Promise<boolean> {
    const granted = (frame: ReturnType<typeof parseFrame>) =>
      frame?.type === "event" && frame.event === "access-state-updated" ? frame.payload.granted === true : null;
    const early = this.early.map(granted).find((one) => one !== null);
    if (early !== undefined) return Promise.resolve(early);
    return new Promise((resolve, reject) => {
      this.abandon = () => reject(new SocketBroke());
      socket.onclose = () => {
        if (this.socket === socket) this.socket = null;
        reject(new SocketBroke());
      };
      socket.onmessage = ({ data }: MessageEvent) => {
        const answer = granted(parseFrame(data));
        if (answer !== null) resolve(answer);
      };
    });
  }

  /** From here the socket carries the participant. Events that overtook the reply come after it. */
  private settle(socket: WebSocket, reply: JoinReply, news: "joined" | "resumed"): void {
    if (this.isClosed()) throw new SocketBroke();
    this.abandon = null;
    const fresh = this.joined === null || reply.resync === true;
    if (fresh) this.lastSeq = reply.seq;
    this.joined = reply;
    this.state = "joined";
    this.attempt = 0;
    socket.onmessage = ({ data }: MessageEvent) => this.handleFrame(data);
    socket.onclose = () => this.handleClose(socket);
    this.armPing(socket);
    this.emit(news, reply);
    for (const frame of this.early) this.handleEvent(frame);
    this.early = [];
  }

  private dropSocket(): void {
    const socket = this.socket;
    this.socket = null;
    this.abandon?.();
    this.abandon = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close(1000);
  }

  // ── what arrives ──────────────────────────────────────────────────────────────────────────────────────────────────

  private handleFrame(data: unknown): void {
    this.heard = true;
    const frame = parseFrame(data);
    if (frame?.type === "event") this.handleEvent(frame);
    else if (frame?.type === "reply" && typeof frame.id === "number") this.handleReply(frame.id, frame);
  }

  private handleEvent(frame: EventFrame): void {
    if (this.isClosed() || frame.seq <= this.lastSeq) return;
    this.lastSeq = frame.seq;
    this.emit("event", frame);
  }

  private handleReply(id: number, frame: ReplyFrame): void {
    const pending = this.pending.get(id);
    if (pending === undefined) return;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    if (frame.ok) pending.resolve(frame);
    else pending.reject(refusal(frame));
  }

  private handleClose(socket: WebSocket): void {
    if (this.socket !== socket || this.state !== "joined") return;
    this.socket = null;
    clearTimeout(this.pingTimer);
    this.state = "interrupted";
    this.brokenAt = Date.now();
    this.emit("interrupted", undefined);
    if (this.isInterrupted()) this.scheduleResume();
  }

  // ── coming back ───────────────────────────────────────────────────────────────────────────────────────────────────

  private scheduleResume(): void {
    const left = this.brokenAt + (this.joined?.grace_s ?? 0) * 1000 - Date.now();
    if (left <= 0) {
      this.lose(new SignallingError("connection-error", "The connection to the server was lost."));
      return;
    }
    const pause = Math.min(backoff(this.attempt, this.deps.random), left);
    this.attempt += 1;
    this.retryTimer = setTimeout(() => void this.resume(), pause);
  }

  private async resume(): Promise<void> {
    if (this.joined === null) return;
    const { session_id, resume_secret } = this.joined;
    try {
      const socket = await this.open();
      const resume = { session_id, secret: resume_secret, seq: this.lastSeq };
      const reply = (await this.ask(socket, { type: "join", resume })) as unknown as JoinReply;
      if (!this.isInterrupted()) return;
      this.settle(socket, reply, "resumed");
      this.sendAgain();
    } catch (error) {
      if (!this.isInterrupted()) return;
      if (error instanceof SignallingError) this.lose(error);
      else this.scheduleResume();
    }
  }

  private sendAgain(): void {
    for (const [id, pending] of this.pending) {
      if (pending.sent && !pending.retry) this.refuse(id, pending);
      else this.transmit(pending);
    }
  }

  private lose(error: SignallingError): void {
    this.close();
    this.emit("lost", error);
  }

  private pause(attempt: number): Promise<void> {
    return new Promise((resolve) => {
      this.abandon = resolve;
      this.retryTimer = setTimeout(resolve, backoff(attempt, this.deps.random));
    });
  }

  // ── small things ──────────────────────────────────────────────────────────────────────────────────────────────────

  /** A browser does not show WebSocket pings, so silence is noticed by asking. */
  private armPing(socket: WebSocket): void {
    clearTimeout(this.pingTimer);
    this.heard = false;
    this.pingTimer = setTimeout(() => {
      if (this.heard) {
        this.armPing(socket);
        return;
      }
      socket.send(JSON.stringify({ id: this.nextId(), type: "ping" }));
      this.pingTimer = setTimeout(() => {
        if (this.heard) {
          this.armPing(socket);
          return;
        }
        socket.onclose = null;
        socket.close();
        this.handleClose(socket);
      }, SILENCE_LIMIT_MS);
    }, PING_EVERY_MS);
  }

  private transmit(pending: Pending): void {
    pending.sent = true;
    this.socket?.send(JSON.stringify(pending.frame));
  }

  private refuse(id: number, pending: Pending): void {
    this.pending.delete(id);
    clearTimeout(pending.timer);
    pending.reject(new SignallingError("connection-error", "The connection to the server broke before it answered."));
  }

  private nextId(): number {
    this.lastId += 1;
    return this.lastId;
  }

  private isClosed(): boolean {
    return this.state === "closed";
  }

  private isInterrupted(): boolean {
    return this.state === "interrupted";
  }
}

/** The socket did not open, or closed before the reply. */
class SocketBroke extends Error {}

function unreachable(): SignallingError {
  return new SignallingError("connection-error", "The server cannot be reached. Check the address and the network.");
}

function refusal(frame: ReplyFrame): SignallingError {
  const { type, msg, mayKnock } = frame.error ?? {};
  return new SignallingError(type ?? "connection-error", msg ?? "The server refused.", mayKnock === true);
}

/** 250 ms, 500 ms, 1 s, 2 s, 4 s, 4 s …, each up to a fifth longer so that many clients do not return in step. */
function backoff(attempt: number, random: () => number): number {
  return Math.min(FIRST_PAUSE_MS * 2 ** attempt, LONGEST_PAUSE_MS) * (1 + random() / 5);
}
