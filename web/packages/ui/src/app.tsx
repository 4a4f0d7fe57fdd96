/** The page: before, during and after the meeting. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { RoomModel } from "./model";
import { Devices } from "./parts/devices";
import { DialOut } from "./parts/dialout";
import { Door } from "./parts/door";
import { CloseIcon, PeopleIcon, ScreenIcon, SoundIcon } from "./parts/icons";
import { Sound } from "./parts/media";
import { People } from "./parts/people";
import { CamButton, DeviceProblem, Mark, MicButton, Prejoin } from "./parts/prejoin";
import { Stage } from "./parts/stage";
import { clean } from "./text";

export function App({ model }: { model: RoomModel }) {
  const screen = model.screen.value;
  useEffect(() => {
    document.title = `${clean(model.place.room, 60) || "Room"} · Ringback`;
  }, [model]);
  if (screen === "call") return <InCall model={model} />;
  if (screen === "left") return <Left model={model} />;
  return <Prejoin model={model} />;
}

function InCall({ model }: { model: RoomModel }) {
  // Beside the stage where there is room; a sheet over it where there is not.
  const open = useSignal(window.matchMedia("(min-width: 60rem)").matches);
  const heading = useRef<HTMLHeadingElement>(null);
  // The button that was pressed is gone: whoever listens to the page is told where they are now.
  useEffect(() => heading.current?.focus(), []);
  return (
    <div class={`call ${open.value ? "has-panel" : ""}`}>
      <header class="bar">
        <Mark />
        <h1 ref={heading} tabIndex={-1}>
          {clean(model.place.room, 128)}
        </h1>
        <Connection model={model} />
      </header>
      <main class="middle">
        <Stage model={model} />
        <Notices model={model} />
      </main>
      {open.value && (
        <aside class="panel" id="panel" aria-label="People and phones">
          <button
            class="ghost panel-close"
            type="button"
            aria-label="Close the list of people"
            onClick={() => (open.value = false)}
          >
            <CloseIcon />
          </button>
          <Door model={model} />
          <People model={model} />
          {model.admin.value && <DialOut model={model} />}
          <Devices model={model} />
        </aside>
      )}
      <Controls model={model} open={open.value} onPanel={() => (open.value = !open.value)} />
      <Sound model={model} />
    </div>
  );
}

function Controls({ model, open, onPanel }: { model: RoomModel; open: boolean; onPanel: () => void }) {
  const sharing = model.me.value?.screen === true;
  const canShare = model.mayShare.value && model.secure && "getDisplayMedia" in (navigator.mediaDevices as object | undefined ?? {});
  return (
    <footer class="controls" aria-label="Call controls">
      <MicButton model={model} />
      <CamButton model={model} />
      {canShare && (
        <button
          class={`round ${sharing ? "is-on" : ""}`}
          data-testid="screen"
          type="button"
          aria-pressed={sharing}
          aria-label={sharing ? "Stop sharing your screen" : "Share your screen"}
          title={sharing ? "Stop sharing your screen" : "Share your screen"}
          onClick={() => model.toggleScreen()}
        >
          <ScreenIcon />
        </button>
      )}
      <button
        class={`round ${open ? "is-on" : ""}`}
        data-testid="people-toggle"
        type="button"
        aria-expanded={open}
        aria-controls="panel"
        aria-label={`People, ${model.people.value.length}`}
        title="People"
        onClick={onPanel}
      >
        <PeopleIcon />
      </button>
      <button class="leave" data-testid="leave" type="button" onClick={() => model.leave()}>
        Leave
      </button>
    </footer>
  );
}

function Connection({ model }: { model: RoomModel }) {
  const words = model.reconnecting.value
    ? "Reconnecting…"
    : model.mediaInterrupted.value
      ? "Sound and picture are interrupted…"
      : null;
  return (
    <div role="status" class="connection" data-testid="connection">
      {words !== null && <span class="pill">{words}</span>}
    </div>
  );
}

function Notices({ model }: { model: RoomModel }) {
  const trouble = model.cameraProblem.value !== null || !model.secure;
  const seen = useSignal(false);
  return (
    <div class="notices">
      {model.soundBlocked.value && (
        <button class="primary hear" data-testid="hear" type="button" onClick={() => (model.soundBlocked.value = false)}>
          <SoundIcon /> Click to hear
        </button>
      )}
      {trouble && !seen.value && (
        <div class="notice">
          <DeviceProblem model={model} />
          <button class="ghost" type="button" aria-label="Dismiss" onClick={() => (seen.value = true)}>
            <CloseIcon />
          </button>
        </div>
      )}
      <div role="log" aria-live="polite" aria-label="What happened">
        {model.notices.value.map(({ id, kind, text }) => (
          <div key={id} class={`notice is-${kind}`} data-testid="notice">
            <p>{text}</p>
            <button class="ghost" type="button" aria-label="Dismiss" onClick={() => model.dismiss(id)}>
              <CloseIcon />
            </button>
          </div>
        ))}
      </div>
    </div>
  );
}

function Left({ model }: { model: RoomModel }) {
  const problem = model.problem.value;
  return (
    <main class="prejoin">
      <header class="brand">
        <Mark /> <span>Ringback</span>
      </header>
      <section class="card left">
        <h1>{problem === null ? "You left the room" : "The call is over"}</h1>
        {problem !== null && (
          <p class="problem" role="alert" data-testid="problem">
            {problem}
          </p>
        )}
        <button class="primary" type="button" data-testid="again" onClick={() => model.again()}>
          Join again
        </button>
      </section>
    </main>
  );
}
