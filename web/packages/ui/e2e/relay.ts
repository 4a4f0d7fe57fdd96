/**
 * The media half of the pretend server: a blank page whose peer connections answer the offers and pass every track on
 * to whoever asked for it. Real ICE, DTLS and RTP, so what one page shows of another went through all of it.
 */

import type { Page } from "playwright-core";

export interface RelayOffer {
  client: string;
  sdp: string;
  send: { mid: string; track: string }[];
  receive: { mid: string; session_id: string; track: string }[];
}

/** Runs inside the blank page, so it must not use anything from outside itself. */
function install(): void {
  const peers = new Map<string, RTCPeerConnection>();
  const sources = new Map<string, MediaStreamTrack>();
  const wanted = new Map<RTCRtpSender, string>();
  // Chromium decodes a remote sound only while something plays it.
  const pull = (track: MediaStreamTrack) => {
    const audio = new Audio();
    audio.muted = true;
    audio.srcObject = new MediaStream([track]);
    void audio.play();
    document.body.append(audio);
  };
  const relay = {
    async answer({ client, sdp, send, receive }: RelayOffer): Promise<string> {
      const peer = peers.get(client) ?? new RTCPeerConnection();
      peers.set(client, peer);
      await peer.setRemoteDescription({ type: "offer", sdp });
      for (const transceiver of peer.getTransceivers()) {
        const out = send.find(({ mid }) => mid === transceiver.mid);
        const back = receive.find(({ mid }) => mid === transceiver.mid);
        if (out !== undefined) {
          const { track } = transceiver.receiver;
          sources.set(`${client}/${out.track}`, track);
          pull(track);
        } else if (back !== undefined) {
          transceiver.direction = "sendonly";
          wanted.set(transceiver.sender, `${back.session_id}/${back.track}`);
        }
      }
      for (const one of peers.values()) {
        for (const { sender, currentDirection } of one.getTransceivers()) {
          if (currentDirection === "stopped") wanted.delete(sender);
        }
      }
      for (const [sender, key] of wanted) await sender.replaceTrack(sources.get(key) ?? null);
      await peer.setLocalDescription();
      if (peer.iceGatheringState !== "complete") {
        await new Promise<void>((resolve) => {
          peer.onicegatheringstatechange = () => {
            if (peer.iceGatheringState === "complete") resolve();
          };
        });
      }
      return peer.localDescription?.sdp ?? "";
    },
    close(client: string): void {
      for (const { sender } of peers.get(client)?.getTransceivers() ?? []) wanted.delete(sender);
      peers.get(client)?.close();
      peers.delete(client);
    },
  };
  (globalThis as unknown as { relay: typeof relay }).relay = relay;
}

export class Relay {
  private constructor(private readonly page: Page) {}

  static async start(page: Page): Promise<Relay> {
    await page.evaluate(install);
    return new Relay(page);
  }

  answer(offer: RelayOffer): Promise<string> {
    return this.page.evaluate(
      (given) => (globalThis as unknown as { relay: { answer: (o: unknown) => Promise<string> } }).relay.answer(given),
      offer,
    );
  }

  async close(client: string): Promise<void> {
    await this.page.evaluate(
      (given) => (globalThis as unknown as { relay: { close: (c: string) => void } }).relay.close(given),
      client,
    );
  }
}
