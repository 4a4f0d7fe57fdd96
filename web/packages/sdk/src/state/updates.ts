/** What `updateParticipant(s)` accepts, and what of it goes to the server. */

import type { DailyParticipantUpdateOptions } from "../types";

const KNOWN = new Set(["setAudio", "setVideo", "setScreenShare", "eject", "setSubscribedTracks", "updatePermissions", "styles"]);

export function checkUpdates(updates: Record<string, DailyParticipantUpdateOptions>, automatic: boolean): void {
  for (const update of Object.values(updates)) {
    for (const key of Object.keys(update)) {
      if (!KNOWN.has(key)) throw new Error(`unrecognized updateParticipant property ${key}`);
    }
    if (update.setSubscribedTracks !== undefined && automatic) {
      throw new Error("setSubscribedTracks cannot be used when setSubscribeToTracksAutomatically is enabled");
    }
  }
}

/** The server's part, JSON-ready (sets become lists), or null when it has none. */
export function wireUpdate(update: DailyParticipantUpdateOptions): object | null {
  const { setAudio, setVideo, setScreenShare, eject, updatePermissions } = update;
  const wire = {
    ...(setAudio !== undefined && { setAudio }),
    ...(setVideo !== undefined && { setVideo }),
    ...(setScreenShare !== undefined && { setScreenShare }),
    ...(eject !== undefined && { eject }),
    ...(updatePermissions !== undefined && {
      updatePermissions: Object.fromEntries(
        Object.entries(updatePermissions).map(([name, value]) => [name, value instanceof Set ? [...value] : value]),
      ),
    }),
  };
  return Object.keys(wire).length > 0 ? wire : null;
}
