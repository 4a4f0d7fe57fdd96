/** A WebSocket whose other end is the test. It keeps the real one's rules: nothing before open, nothing after close. */

type Frame = Record<string, unknown> & { id: number; type: string };

export class FakeSocket {
  static readonly all: FakeSocket[] = [];
  readyState = 0;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  /** What the client has sent, parsed, oldest first. */
  readonly sent: Frame[] = [];
  closedWith: number | undefined;

  constructor(readonly url: string) {
    FakeSocket.all.push(this);
  }

  send(text: string): void {
    if (this.readyState === 0) throw new DOMException("Still in CONNECTING state.", "InvalidStateError");
    if (this.readyState === 1) this.sent.push(JSON.parse(text) as Frame);
  }

  close(code = 1005): void {
    if (this.readyState >= 2) return;
    this.readyState = 2;
    this.closedWith = code;
    queueMicrotask(() => this.finish(code));
  }

  // ── the other end ─────────────────────────────────────────────────────────────────────────────────────────────────

  accept(): void {
    this.readyState = 1;
    this.onopen?.();
  }

  /** The network breaks, or nobody listens. */
  drop(): void {
    this.finish(1006);
  }

  say(frame: object): void {
    if (this.readyState === 1) this.onmessage?.({ data: JSON.stringify(frame) });
  }

  raw(data: unknown): void {
    this.onmessage?.({ data });
  }

  /** The newest request of a type. */
  asked(type: string): Frame {
    const frame = this.sent.findLast((one) => one.type === type);
    if (frame === undefined) throw new Error(`no ${type} was sent, only ${this.sent.map((one) => one.type).join(", ")}`);
    return frame;
  }

  reply(type: string, fields: object = {}): void {
    this.say({ type: "reply", id: this.asked(type).id, ok: true, ...fields });
  }

  refuse(type: string, kind: string, msg: string, more: object = {}): void {
    this.say({ type: "reply", id: this.asked(type).id, ok: false, error: { type: kind, msg, ...more } });
  }

  event(seq: number, event: string, payload: object = {}): void {
    this.say({ type: "event", seq, event, payload });
  }

  private finish(code: number): void {
    if (this.readyState === 3) return;
    this.readyState = 3;
    this.onclose?.({ code });
  }
}

/** A `createSocket` and the sockets it made. */
export function socketFactory(): { create: (url: string) => WebSocket; sockets: FakeSocket[] } {
  const sockets: FakeSocket[] = [];
  const create = (url: string) => {
    const socket = new FakeSocket(url);
    sockets.push(socket);
    return socket as unknown as WebSocket;
  };
  return { create, sockets };
}
