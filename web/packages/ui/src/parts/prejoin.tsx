/** Before the meeting: a name, a look in the mirror, and what is wrong with microphone or camera in plain words. */

import { useEffect, useLayoutEffect } from "preact/hooks";
import type { RoomModel } from "../model";
import { clean, initials } from "../text";
import { Devices } from "./devices";
import { CamIcon, MicIcon } from "./icons";
import { Video } from "./media";

export function Prejoin({ model }: { model: RoomModel }) {
  const joining = model.screen.value === "joining";
  const waiting = model.screen.value === "waiting";
  const { problem, name } = model;
  useEffect(() => model.prepare(), [model]);
  useLayoutEffect(() => document.querySelector<HTMLInputElement>("#name")?.focus(), []);
  return (
    <main class="prejoin">
      <header class="brand">
        <Mark /> <span>Ringback</span>
      </header>
      <section class="card" aria-labelledby="room">
        <h1 id="room">
          <small>You are about to enter</small> {clean(model.place.room, 128)}
        </h1>
        <Mirror model={model} />
        <form
          onSubmit={(event) => {
            event.preventDefault();
            void model.join();
          }}
        >
          <label for="name">Your name</label>
          <div class="row">
            <input
              id="name"
              data-testid="name"
              autocomplete="name"
              maxLength={80}
              required
              value={name.value}
              onInput={(event) => (name.value = event.currentTarget.value)}
            />
            <button class="primary" data-testid="join" type="submit" disabled={joining || waiting || name.value.trim() === ""}>
              {joining ? "Joining…" : "Join"}
            </button>
          </div>
        </form>
        {waiting && (
          <div class="row" role="status" data-testid="waits">
            <p>You have knocked. Somebody inside has to let you in.</p>
            <button class="ghost wide" type="button" data-testid="give-up" onClick={() => model.giveUp()}>
              Give up
            </button>
          </div>
        )}
        {problem.value !== null && (
          <p class="problem" role="alert" data-testid="problem">
            {problem.value}
          </p>
        )}
        <DeviceProblem model={model} />
        <Devices model={model} />
      </section>
    </main>
  );
}

function Mirror({ model }: { model: RoomModel }) {
  const me = model.me.value;
  const picture = me?.tracks.video.track;
  return (
    <div class="mirror">
      {picture !== undefined ? (
        <Video track={picture} mirrored />
      ) : (
        <div class="avatar" aria-hidden="true">
          {initials(model.name.value) || "?"}
        </div>
      )}
      <div class="mirror-controls">
        <MicButton model={model} />
        <CamButton model={model} />
      </div>
    </div>
  );
}

/** Why there is no microphone, and what to do. Nothing while all is well. */
export function DeviceProblem({ model }: { model: RoomModel }) {
  const error = model.cameraProblem.value;
  if (!model.secure || error?.type === "undefined-mediadevices") {
    return (
      <p class="hint" role="note" data-testid="insecure">
        <strong>No microphone or camera here.</strong> This page was not opened over a secure connection, so the browser
        gives it neither. You can join and listen. To speak, open it by <code>https://</code> or on{" "}
        <code>localhost</code>; on your own network, start the server with <code>ringback dev --lan</code>.
      </p>
    );
  }
  if (error === null) return null;
  return (
    <p class="hint" role="note" data-testid="device-problem">
      <strong>{error.msg}</strong> {advice(error.type)}
    </p>
  );
}

function advice(type: string): string {
  switch (type) {
    case "permissions":
      return "Allow it in the browser's address bar and try again. Until then you can join and listen.";
    case "not-found":
      return "Plug one in, or join and listen.";
    case "cam-in-use":
    case "mic-in-use":
    case "cam-mic-in-use":
      return "Close it there and try again, or join without.";
    default:
      return "You can join without.";
  }
}

export function MicButton({ model }: { model: RoomModel }) {
  const state = model.me.value?.tracks.audio.state ?? "off";
  const on = state === "playable" || state === "loading";
  return (
    <button
      class={`round ${on ? "" : "is-off"}`}
      data-testid="mic"
      type="button"
      aria-pressed={on}
      aria-label={on ? "Mute your microphone" : "Unmute your microphone"}
      title={on ? "Mute your microphone" : "Unmute your microphone"}
      onClick={() => model.toggleMicrophone()}
    >
      <MicIcon off={!on} />
    </button>
  );
}

export function CamButton({ model }: { model: RoomModel }) {
  const state = model.me.value?.tracks.video.state ?? "off";
  const on = state === "playable" || state === "loading";
  return (
    <button
      class={`round ${on ? "" : "is-off"}`}
      data-testid="cam"
      type="button"
      aria-pressed={on}
      aria-label={on ? "Turn your camera off" : "Turn your camera on"}
      title={on ? "Turn your camera off" : "Turn your camera on"}
      onClick={() => model.toggleCamera()}
    >
      <CamIcon off={!on} />
    </button>
  );
}

export function Mark() {
  return (
    <svg class="mark" viewBox="0 0 32 32" width="28" height="28" aria-hidden="true">
      <rect width="32" height="32" rx="9" />
      <path d="M8 18.5a8 8 0 0 1 16 0M12 19a4 4 0 0 1 8 0" />
      <circle cx="16" cy="21.5" r="2.2" />
    </svg>
  );
}
