/** The tiles: faces, phones and shared screens in a grid that fits the window. */

import { arrange, gridFor, pageAt, rowWidth, tileBox } from "@ringback/layout";
import { useLayoutEffect, useRef, useState } from "preact/hooks";
import type { DailyParticipant } from "ringback-js";
import type { RoomModel } from "../model";
import { callWords, isPhone, isSilent, nameOf, type Seen, seenWords } from "../person";
import { initials } from "../text";
import { EyeIcon, MicIcon, PauseIcon, PhoneIcon } from "./icons";
import { Video } from "./media";

interface TileSpec {
  id: string;
  person: DailyParticipant;
  local: boolean;
  screen: boolean;
}

export function Stage({ model }: { model: RoomModel }) {
  const area = useRef<HTMLDivElement>(null);
  const [size, setSize] = useState({ width: 0, height: 0 });
  const [page, setPage] = useState(0);
  const shown = useRef<string[]>([]);
  useLayoutEffect(() => {
    const element = area.current;
    if (element === null) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry !== undefined) setSize({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(element);
    return () => observer.disconnect();
  }, []);

  const tiles = new Map(tilesOf(model.people.value).map((tile) => [tile.id, tile]));
  const grid = gridFor(tiles.size, size.width, size.height);
  const perPage = grid.columns * grid.rows;
  shown.current = arrange([...tiles.values()], shown.current, model.speaker.value, perPage);
  const current = pageAt(shown.current, perPage, page);
  const box = tileBox(grid, size.width, size.height);
  return (
    <section class="stage" aria-label="Participants">
      <div class="grid" ref={area}>
        <div class="tiles" style={{ width: `${rowWidth(grid, box)}px` }}>
          {current.ids.map((id) => {
            const tile = tiles.get(id);
            return tile && <Tile key={id} tile={tile} people={model.people.value} speaking={model.speaker.value === id} box={box} />;
          })}
        </div>
      </div>
      {current.count > 1 && (
        <nav class="pages" aria-label="Pages of participants">
          <button type="button" disabled={current.index === 0} onClick={() => setPage(current.index - 1)}>
            Back
          </button>
          <span>
            {current.index + 1} of {current.count}
          </span>
          <button type="button" disabled={current.index === current.count - 1} onClick={() => setPage(current.index + 1)}>
            More
          </button>
        </nav>
      )}
    </section>
  );
}

function tilesOf(people: readonly DailyParticipant[]): TileSpec[] {
  return people.flatMap((person) => {
    const { session_id, local, tracks } = person;
    const face = { id: session_id, person, local, screen: false };
    const sharing = tracks.screenVideo.state !== "off" && tracks.screenVideo.state !== "blocked" && !local;
    return sharing ? [face, { id: `${session_id}/screen`, person, local, screen: true }] : [face];
  });
}

interface TileProps {
  tile: TileSpec;
  people: readonly DailyParticipant[];
  speaking: boolean;
  box: { width: number; height: number };
}

function Tile({ tile, people, speaking, box }: TileProps) {
  const { person, screen } = tile;
  const picture = screen ? person.tracks.screenVideo.track : person.tracks.video.track;
  const name = nameOf(person);
  const words = screen ? null : callWords(person);
  const silent = !screen && isSilent(person);
  const seen = screen ? null : seenWords(person, people);
  const label = screen ? `${name}'s screen` : person.local ? `${name} (you)` : name;
  return (
    <article
      class={`tile ${speaking && !screen ? "is-speaking" : ""} ${screen ? "is-screen" : ""}`}
      data-testid={screen ? "screen-tile" : "tile"}
      data-session-id={person.session_id}
      data-local={person.local ? "true" : undefined}
      aria-label={[label, words, silent ? "muted" : null, speaking ? "speaking" : null, seen?.names].filter(Boolean).join(", ")}
      style={{ width: `${box.width}px`, height: `${box.height}px` }}
    >
      {picture !== undefined && <Video track={picture} mirrored={person.local && !screen} />}
      {picture === undefined && person.onHold !== true && (
        <div class={`avatar ${isPhone(person) ? "is-phone" : ""} ${person.callState === "ringing" ? "is-ringing" : ""}`}>
          {isPhone(person) ? <PhoneIcon /> : initials(name) || "?"}
        </div>
      )}
      {person.onHold === true && (
        <div class="hold">
          <PauseIcon /> On hold
        </div>
      )}
      {seen !== null && <Sees seen={seen} />}
      <footer>
        {silent && <MicIcon off />}
        {isPhone(person) && !screen && <PhoneIcon />}
        <span class="tile-name">{label}</span>
        {words !== null && person.onHold !== true && words !== "Answered" && <span class="tile-state">{words}</span>}
      </footer>
    </article>
  );
}

/** What a phone with a screen is shown. */
function Sees({ seen }: { seen: Seen }) {
  return (
    <div class="tile-sees" data-testid="sees" title={seen.names}>
      <EyeIcon />
      <span>{seen.words}</span>
    </div>
  );
}
