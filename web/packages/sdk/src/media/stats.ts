/** The connection in numbers: bits per second, loss and round trip, between two reads of the browser's counters. */

import type { DailyNetworkStats } from "../types";

export interface Counters {
  timestampMs: number;
  bytesReceived: number;
  bytesSent: number;
  packetsReceived: number;
  packetsLost: number;
  packetsSent: number;
  /** Of what we sent, as the server reports it: 0..1. */
  sendLoss: number | null;
  roundTripS: number | null;
  availableOutgoingBps: number | null;
}

/** Loss from which a connection is worth a warning, and from which it is bad. */
const WARNING_LOSS = 0.03;
const BAD_LOSS = 0.1;
const WARNING_ROUND_TRIP_S = 0.5;

/** How often the connection is looked at by itself. */
const WATCH_EVERY_MS = 2_000;

export class NetworkStats {
  private before: Counters | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;
  private lastState: DailyNetworkStats["networkState"] = "unknown";

  constructor(private readonly report: () => Promise<RTCStatsReport | null>) {}

  async read(): Promise<DailyNetworkStats> {
    const report = await this.report();
    if (report === null) return summarise(null, null);
    const now = countersOf([...report.values()] as Record<string, unknown>[]);
    const stats = summarise(this.before, now);
    this.before = now;
    return stats;
  }

  /** Looks at the connection from now on and tells when its state changes. */
  watch(changed: (stats: DailyNetworkStats) => void): void {
    this.reset();
    this.timer = setInterval(() => {
      void this.read().then((stats) => {
        if (stats.networkState === this.lastState || stats.networkState === "unknown") return;
        this.lastState = stats.networkState;
        changed(stats);
      });
    }, WATCH_EVERY_MS);
  }

  reset(): void {
    clearInterval(this.timer);
    this.before = null;
    this.lastState = "unknown";
  }
}

export function countersOf(entries: Iterable<Record<string, unknown>>): Counters {
  const sum: Counters = {
    timestampMs: 0,
    bytesReceived: 0,
    bytesSent: 0,
    packetsReceived: 0,
    packetsLost: 0,
    packetsSent: 0,
    sendLoss: null,
    roundTripS: null,
    availableOutgoingBps: null,
  };
  for (const entry of entries) {
    const number = (key: string) => (typeof entry[key] === "number" ? entry[key] : 0);
    sum.timestampMs = Math.max(sum.timestampMs, number("timestamp"));
    if (entry.type === "inbound-rtp") {
      sum.bytesReceived += number("bytesReceived");
      sum.packetsReceived += number("packetsReceived");
      sum.packetsLost += Math.max(0, number("packetsLost"));
    } else if (entry.type === "outbound-rtp") {
      sum.bytesSent += number("bytesSent");
      sum.packetsSent += number("packetsSent");
    } else if (entry.type === "remote-inbound-rtp" && typeof entry.fractionLost === "number") {
      sum.sendLoss = Math.max(sum.sendLoss ?? 0, entry.fractionLost);
    } else if (entry.type === "candidate-pair" && entry.nominated === true) {
      if (typeof entry.currentRoundTripTime === "number") sum.roundTripS = entry.currentRoundTripTime;
      if (typeof entry.availableOutgoingBitrate === "number") sum.availableOutgoingBps = entry.availableOutgoingBitrate;
    }
  }
  return sum;
}

export function summarise(before: Counters | null, now: Counters | null): DailyNetworkStats {
  if (now === null) {
    return { networkState: "unknown", networkStateReasons: [], threshold: "good", quality: 100, stats: { latest: {} } };
  }
  const seconds = before === null ? 0 : (now.timestampMs - before.timestampMs) / 1000;
  const rate = (key: "bytesReceived" | "bytesSent") =>
    before === null || seconds <= 0 ? null : Math.max(0, ((now[key] - before[key]) * 8) / seconds);
  const lost = now.packetsLost - (before?.packetsLost ?? 0);
  const arrived = now.packetsReceived - (before?.packetsReceived ?? 0);
  const recvLoss = lost + arrived > 0 ? Math.max(0, lost) / (lost + arrived) : null;
  const reasons: string[] = [];
  if ((recvLoss ?? 0) >= WARNING_LOSS) reasons.push("recvPacketLoss");
  if ((now.sendLoss ?? 0) >= WARNING_LOSS) reasons.push("sendPacketLoss");
  if ((now.roundTripS ?? 0) >= WARNING_ROUND_TRIP_S) reasons.push("roundTripTime");
  const worst = Math.max(recvLoss ?? 0, now.sendLoss ?? 0);
  const networkState = worst >= BAD_LOSS ? "bad" : reasons.length > 0 ? "warning" : "good";
  return {
    networkState,
    networkStateReasons: reasons,
    threshold: networkState === "good" ? "good" : networkState === "warning" ? "low" : "very-low",
    quality: Math.round(100 * Math.max(0, 1 - worst * 4)),
    stats: {
      latest: {
        timestamp: now.timestampMs,
        recvBitsPerSecond: rate("bytesReceived"),
        sendBitsPerSecond: rate("bytesSent"),
        totalRecvPacketLoss: recvLoss,
        totalSendPacketLoss: now.sendLoss,
        networkRoundTripTime: now.roundTripS,
        availableOutgoingBitrate: now.availableOutgoingBps,
      },
      averageNetworkRoundTripTime: now.roundTripS,
    },
  };
}
