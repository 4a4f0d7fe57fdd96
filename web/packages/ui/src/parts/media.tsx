/** Elements that show and play tracks. They attach the persistent track once, so mute and unmute never flicker. */

import { useEffect, useRef } from "preact/hooks";
import type { DailyParticipant } from "ringback-js";
import type { RoomModel } from "../model";

export function Video({ track, mirrored = false }: { track: MediaStreamTrack; mirrored?: boolean }) {
  const element = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    if (element.current !== null) element.current.srcObject = new MediaStream([track]);
  }, [track]);
  return <video ref={element} class={mirrored ? "mirrored" : ""} autoPlay playsInline muted aria-hidden="true" />;
}

/** Plays everybody else, wherever their tile is. A browser that forbids sound before a click is asked by a button. */
export function Sound({ model }: { model: RoomModel }) {
  return (
    <div hidden>
      {model.others.value.flatMap((person) => [
        <Voice key={`${person.session_id}/audio`} model={model} track={audioOf(person, "audio")} />,
        <Voice key={`${person.session_id}/screen`} model={model} track={audioOf(person, "screenAudio")} />,
      ])}
    </div>
  );
}

function audioOf(person: DailyParticipant, name: "audio" | "screenAudio"): MediaStreamTrack | undefined {
  return person.tracks[name].persistentTrack;
}

function Voice({ model, track }: { model: RoomModel; track: MediaStreamTrack | undefined }) {
  const element = useRef<HTMLAudioElement>(null);
  const blocked = model.soundBlocked.value;
  const { deviceId: speaker = "" } = model.chosen.value.speaker as Partial<MediaDeviceInfo>;
  useEffect(() => {
    // Not every browser lets a page choose; those that do may still refuse a device that has gone.
    if (element.current !== null && "setSinkId" in element.current) void element.current.setSinkId(speaker).catch(() => undefined);
  }, [speaker]);
  useEffect(() => {
    const audio = element.current;
    if (audio === null || track === undefined) return;
    audio.srcObject = new MediaStream([track]);
    audio.play().catch((error: unknown) => {
      if (error instanceof DOMException && error.name === "NotAllowedError") model.soundBlocked.value = true;
    });
    return () => {
      audio.srcObject = null;
    };
    // After the click that allows sound, `blocked` turns false and everything is played again.
  }, [track, blocked]);
  return <audio ref={element} autoPlay />;
}
