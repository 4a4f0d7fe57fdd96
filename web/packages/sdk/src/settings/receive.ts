/** Which simulcast layer of whose pictures is wanted: settings as the application gives them, a table as the server takes it. */

import type { DailyReceiveSettings, DailyReceiveSettingsUpdates, DailySingleParticipantReceiveSettings } from "../types";

/** Everybody who is not named. */
const BASE = "base";
const ALL = "*";
const INHERIT = "inherit";

export interface LayerLine {
  session_id: string;
  track: string;
  layer: number;
}

/** Throws for settings that make no sense. `updates`: whether `"*"` may be a key. */
export function checkReceiveSettings(settings: object, updates = true): void {
  for (const [id, one] of Object.entries(settings as Record<string, unknown>)) {
    if (id === "local") throw new Error("receiveSettings: 'local' is not a participant to receive from");
    if (id === ALL && !updates) throw new Error("receiveSettings: '*' is for updateReceiveSettings() only");
    if (one === INHERIT) continue;
    if (typeof one !== "object" || one === null) throw new Error(`receiveSettings: '${id}' should be an object or 'inherit'`);
    for (const [track, wanted] of Object.entries(one as Record<string, unknown>)) {
      if (wanted === INHERIT) continue;
      const layer = (wanted as { layer?: unknown } | null)?.layer;
      const fits = layer === undefined || layer === INHERIT || (Number.isInteger(layer) && (layer as number) >= 0);
      if (!fits) throw new Error(`receiveSettings: layer of '${id}' ${track} should be a whole number from 0, or 'inherit'`);
    }
  }
}

export class ReceiveSettings {
  private settings: DailyReceiveSettings = {};

  all(): DailyReceiveSettings {
    return structuredClone(this.settings);
  }

  one(id: string, showInherited: boolean): DailySingleParticipantReceiveSettings {
    const own = this.settings[id] ?? {};
    return structuredClone(showInherited ? { ...this.settings[BASE], ...own } : own);
  }

  /** Whether anything changed. */
  update(updates: DailyReceiveSettingsUpdates): boolean {
    checkReceiveSettings(updates);
    const before = JSON.stringify(this.settings);
    for (const [id, one] of Object.entries(updates)) {
      const ids = id === ALL ? Object.keys(this.settings).filter((known) => known !== BASE) : [id];
      for (const each of ids) this.change(each, one);
    }
    return JSON.stringify(this.settings) !== before;
  }

  /** Somebody left: what was said of them is over. */
  forget(id: string): void {
    this.settings = without(this.settings, id);
  }

  /** The whole table, for the server. */
  table(): LayerLine[] {
    const lines: LayerLine[] = [];
    for (const [id, tracks] of Object.entries(this.settings)) {
      for (const [track, { layer }] of Object.entries(tracks)) {
        if (layer !== undefined) lines.push({ session_id: id === BASE ? ALL : id, track, layer: Math.min(layer, HIGHEST) });
      }
    }
    return lines;
  }

  private change(id: string, one: DailyReceiveSettingsUpdates[string]): void {
    if (one === INHERIT) {
      this.forget(id);
      return;
    }
    let tracks: DailySingleParticipantReceiveSettings = { ...this.settings[id] };
    for (const [track, wanted] of Object.entries(one)) {
      if (wanted === undefined) continue;
      if (wanted === INHERIT || wanted.layer === INHERIT) tracks = without(tracks, track);
      else if (wanted.layer !== undefined) tracks[track] = { layer: wanted.layer };
    }
    this.settings = Object.keys(tracks).length > 0 ? { ...this.settings, [id]: tracks } : without(this.settings, id);
  }
}

/** Beyond this the server knows no difference. */
const HIGHEST = 15;

function without<T extends object>(all: T, key: string): T {
  return Object.fromEntries(Object.entries(all).filter(([name]) => name !== key)) as T;
}
