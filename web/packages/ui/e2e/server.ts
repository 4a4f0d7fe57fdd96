/**
 * A small server that keeps the signalling protocol's promises: one reply per request, rising `seq`, resume with what
 * was missed. It serves the built page and hands media to the relay. Phones in it are only told of, not heard.
 */

import { randomUUID } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { extname } from "node:path";
import { fileURLToPath } from "node:url";
import { type WebSocket, WebSocketServer } from "ws";
import type { Relay } from "./relay";

const PAGES = fileURLToPath(new URL("../../../../src/ringback/web/", import.meta.url));
const TYPES: Record<string, string> = {
  ".css": "text/css",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".svg": "image/svg+xml",
};
export const CONTENT_SECURITY_POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; media-src 'self' blob:; connect-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

type Json = Record<string, unknown>;

interface Person extends Json {
  session_id: string;
  tracks: Record<string, Json>;
}

class Client {
  seq = 0;
  kept: { seq: number; frame: string }[] = [];
  published = new Map<string, string>();
  readonly secret = randomUUID();
  constructor(
    readonly person: Person,
    public socket: WebSocket | null,
  ) {}

  tell(event: string, payload: Json): void {
    this.seq += 1;
    const frame = JSON.stringify({ type: "event", seq: this.seq, event, payload });
    this.kept.push({ seq: this.seq, frame });
    this.socket?.send(frame);
  }
}

export class PretendServer {
  readonly clients = new Map<string, Client>();
  readonly phones = new Map<string, Person>();
  /** What each dial-out was asked to do, newest last. */
  readonly dialled: Json[] = [];
  /** When set, dial-outs are refused with this sentence. */
  refuseDialOut: string | null = null;
  private readonly http: Server;
  private readonly sockets: WebSocketServer;

  private constructor(private readonly relay: Relay) {
    this.http = createServer((request, response) => void this.serve(request, response));
    this.sockets = new WebSocketServer({ server: this.http, path: "/rtc", maxPayload: 256 * 1024 });
    this.sockets.on("connection", (socket) => this.welcome(socket));
  }

  static async start(relay: Relay): Promise<PretendServer> {
    const server = new PretendServer(relay);
    await new Promise<void>((resolve) => server.http.listen(0, "127.0.0.1", resolve));
    return server;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.http.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    for (const socket of this.sockets.clients) socket.terminate();
    this.http.closeAllConnections();
    await new Promise((resolve) => this.http.close(resolve));
  }

  /** Cuts everybody's socket, as a network would. */
  cut(): void {
    for (const socket of this.sockets.clients) socket.terminate();
  }

  broadcast(event: string, payload: Json, but?: string): void {
    for (const [id, client] of this.clients) if (id !== but) client.tell(event, payload);
  }

  // ── phones ────────────────────────────────────────────────────────────────────────────────────────────────────────

  addPhone(name: string, more: Json = {}): string {
    const phone = person(randomUUID(), name, false, {
      participantType: "sip-dial-in",
      callState: "answered",
      onHold: false,
      tracks: { audio: { state: "playable", generation: 1 }, video: { state: "off" } },
      ...more,
    });
    this.phones.set(phone.session_id, phone);
    this.broadcast("participant-joined", { participant: phone });
    return phone.session_id;
  }

  changePhone(id: string, change: Json): void {
    const phone = this.phones.get(id);
    if (phone === undefined) throw new Error(`no phone ${id}`);
    Object.assign(phone, change);
    this.broadcast("participant-updated", { participant: phone });
  }

  removePhone(id: string): void {
    const phone = this.phones.get(id);
    if (phone === undefined || !this.phones.delete(id)) return;
    this.broadcast("participant-left", { participant: phone });
  }

  // ── signalling ────────────────────────────────────────────────────────────────────────────────────────────────────

  private welcome(socket: WebSocket): void {
    let client: Client | null = null;
    let work: Promise<void> = Promise.resolve();
    socket.on("message", (data) => {
      const frame = JSON.parse((data as Buffer).toString()) as Json;
      work = work.then(async () => {
        try {
          if (frame.type === "join") client = this.join(socket, frame);
          else if (client !== null) this.reply(socket, frame, await this.handle(client, frame));
        } catch (error) {
          const [type, msg] = error instanceof Refusal ? [error.type, error.message] : ["server-error", String(error)];
          socket.send(JSON.stringify({ type: "reply", id: frame.id, ok: false, error: { type, msg } }));
        }
      });
    });
    socket.on("close", () => {
      if (client?.socket === socket) client.socket = null;
    });
  }

  private join(socket: WebSocket, frame: Json): Client {
    const resume = frame.resume as { session_id: string; secret: string; seq: number } | null | undefined;
    if (resume) {
      const client = this.clients.get(resume.session_id);
      if (client === undefined || client.secret !== resume.secret) throw new Refusal("no-room", "Your place is gone.");
      client.socket = socket;
      this.reply(socket, frame, this.joined(client));
      for (const { seq, frame: missed } of client.kept) if (seq > resume.seq) socket.send(missed);
      return client;
    }
    if (String(frame.room).endsWith("/nowhere")) throw new Refusal("no-room", "There is no room of this name.");
    const owner = frame.token === "owner";
    const newcomer = person(randomUUID(), (frame.userName as string | undefined) ?? "", owner);
    const client = new Client(newcomer, socket);
    this.reply(socket, frame, this.joined(client));
    this.broadcast("participant-joined", { participant: newcomer });
    this.clients.set(newcomer.session_id, client);
    return client;
  }

  private joined(client: Client): Json {
    const others = [...this.clients.values()].map(({ person: one }) => one).filter((one) => one !== client.person);
    return {
      session_id: client.person.session_id,
      resume_secret: client.secret,
      meeting_id: "0b8a3c0e-0000-4000-8000-000000000001",
      grace_s: 20,
      room: { id: "r", name: "hello", config: {}, domainConfig: { max_app_message_size: 4096 }, tokenConfig: {} },
      local: client.person,
      participants: [...others, ...this.phones.values()],
      seq: client.seq,
    };
  }

  private reply(socket: WebSocket, { id }: Json, fields: Json): void {
    socket.send(JSON.stringify({ type: "reply", id, ok: true, ...fields }));
  }

  private async handle(client: Client, frame: Json): Promise<Json> {
    const { person: me } = client;
    switch (frame.type) {
      case "offer":
        return this.offer(client, frame);
      case "track": {
        const track = String(frame.track);
        const { generation } = me.tracks[track] ?? {};
        me.tracks[track] = { state: frame.state, ...(generation !== undefined && { generation }) };
        this.broadcast("participant-updated", { participant: me });
        return {};
      }
      case "app-message":
        this.broadcast("app-message", { data: frame.data, fromId: me.session_id }, me.session_id);
        return {};
      case "leave":
        this.clients.delete(me.session_id);
        this.broadcast("participant-left", { participant: me });
        await this.relay.close(me.session_id);
        return {};
      case "dialout-start": {
        if (this.refuseDialOut !== null) throw new Refusal("invalid-request-error", this.refuseDialOut);
        const options = frame.options as Json;
        this.dialled.push(options);
        const sessionId = this.addPhone(String(options.displayName ?? options.sipUri ?? options.phoneNumber), {
          participantType: "sip-dial-out",
          callState: "ringing",
        });
        return { session: { sessionId }, sessionId };
      }
      case "dialout-stop": {
        const sessionId = String(frame.sessionId);
        this.removePhone(sessionId);
        this.broadcast("dialout-stopped", { sessionId, provider: "signalwire" });
        return {};
      }
      default:
        return {};
    }
  }

  private async offer(client: Client, frame: Json): Promise<Json> {
    const id = client.person.session_id;
    const send = frame.send as { mid: string; track: string }[];
    const receive = frame.receive as { mid: string; session_id: string; track: string }[];
    const sdp = await this.relay.answer({ client: id, sdp: String(frame.sdp), send, receive });
    let changed = false;
    for (const { mid, track } of send) {
      if (client.published.get(mid) === track) continue;
      client.published.set(mid, track);
      const before = client.person.tracks[track] ?? { state: "off" };
      client.person.tracks[track] = { ...before, generation: Number(before.generation ?? 0) + 1 };
      changed = true;
    }
    if (changed) this.broadcast("participant-updated", { participant: client.person });
    return { sdp, refused: [] };
  }

  // ── the page ──────────────────────────────────────────────────────────────────────────────────────────────────────

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { pathname } = new URL(request.url ?? "/", this.url);
    const file = /^\/assets\/[\w.-]+$/.test(pathname) ? pathname.slice(1) : "index.html";
    try {
      const body = await readFile(PAGES + file);
      response.writeHead(200, {
        "content-type": TYPES[extname(file)] ?? "application/octet-stream",
        "content-security-policy": CONTENT_SECURITY_POLICY,
      });
      response.end(body);
    } catch {
      response.writeHead(404).end();
    }
  }
}

class Refusal extends Error {
  constructor(
    readonly type: string,
    message: string,
  ) {
    super(message);
  }
}

function person(id: string, name: string, owner: boolean, more: Json = {}): Person {
  return {
    session_id: id,
    user_id: null,
    user_name: name,
    userData: null,
    owner,
    record: false,
    joined_at: new Date().toISOString(),
    will_eject_at: null,
    permissions: { hasPresence: true, canSend: true, canReceive: { base: true }, canAdmin: owner },
    tracks: { audio: { state: "off", off: { byUser: true } }, video: { state: "off", off: { byUser: true } } },
    ...more,
  };
}
