/** How loud people are, 0..1, read at an interval. */

const SHORTEST_INTERVAL_MS = 100;
const DEFAULT_INTERVAL_MS = 200;

/** Reads levels until `close`. */
export interface LevelReader<T> {
  read: () => T;
  close: () => void;
}

export class LevelObserver<T> {
  last: T | undefined;
  private reader: LevelReader<T> | null = null;
  private timer: ReturnType<typeof setInterval> | undefined;

  constructor(private readonly open: () => LevelReader<T>) {}

  get running(): boolean {
    return this.reader !== null;
  }

  start(intervalMs: number = DEFAULT_INTERVAL_MS, tell: (level: T) => void): void {
    this.stop();
    const reader = this.open();
    this.reader = reader;
    this.timer = setInterval(() => {
      this.last = reader.read();
      tell(this.last);
    }, Math.max(intervalMs, SHORTEST_INTERVAL_MS));
  }

  stop(): void {
    clearInterval(this.timer);
    this.reader?.close();
    this.reader = null;
    this.last = undefined;
  }
}

interface Tap {
  track: MediaStreamTrack;
  source: MediaStreamAudioSourceNode;
  analyser: AnalyserNode;
}

/** One audio context with a tap per track; a tap follows its track when that is replaced. */
class Taps {
  private readonly context = new AudioContext();
  private readonly taps = new Map<string, Tap>();
  private readonly samples = new Float32Array(1024);

  level(id: string, track: MediaStreamTrack | undefined): number {
    const tap = this.follow(id, track);
    if (tap === null) return 0;
    tap.analyser.getFloatTimeDomainData(this.samples);
    let sum = 0;
    for (const sample of this.samples) sum += sample * sample;
    return Math.min(1, Math.sqrt(sum / this.samples.length) * Math.SQRT2);
  }

  keepOnly(ids: ReadonlySet<string>): void {
    for (const id of [...this.taps.keys()]) if (!ids.has(id)) this.follow(id, undefined);
  }

  close(): void {
    void this.context.close();
  }

  private follow(id: string, track: MediaStreamTrack | undefined): Tap | null {
    const old = this.taps.get(id);
    if (old !== undefined && old.track === track) return old;
    old?.source.disconnect();
    this.taps.delete(id);
    if (track === undefined) return null;
    const source = this.context.createMediaStreamSource(new MediaStream([track]));
    const analyser = this.context.createAnalyser();
    analyser.fftSize = this.samples.length;
    source.connect(analyser);
    const tap = { track, source, analyser };
    this.taps.set(id, tap);
    return tap;
  }
}

export function localLevelReader(track: () => MediaStreamTrack | undefined): () => LevelReader<number> {
  return () => {
    const taps = new Taps();
    return { read: () => taps.level("local", track()), close: () => taps.close() };
  };
}

export function remoteLevelsReader(
  tracks: () => Iterable<[string, MediaStreamTrack]>,
): () => LevelReader<Record<string, number>> {
  return () => {
    const taps = new Taps();
    const read = () => {
      const levels: Record<string, number> = {};
      for (const [id, track] of tracks()) levels[id] = taps.level(id, track);
      taps.keepOnly(new Set(Object.keys(levels)));
      return levels;
    };
    return { read, close: () => taps.close() };
  };
}
