/** Who is here, where each phone's call is, and what an owner may do about it. */

import type { DailyParticipant } from "ringback-js";
import type { RoomModel } from "../model";
import { callWords, isPhone, isSilent, nameOf, seenWords } from "../person";
import { initials } from "../text";
import { CloseIcon, HangUpIcon, MicIcon, PhoneIcon } from "./icons";

export function People({ model }: { model: RoomModel }) {
  const people = model.people.value;
  const ringing = model.outgoing.value;
  return (
    <section class="people" aria-labelledby="people-title">
      <h2 id="people-title">
        People <span class="count">{people.length + ringing.length}</span>
      </h2>
      <ul>
        {people.map((person) => (
          <Person key={person.session_id} person={person} model={model} />
        ))}
        {ringing.map(({ sessionId, label }) => (
          <li key={sessionId} data-testid="person" data-session-id={sessionId}>
            <span class="avatar small is-phone is-ringing" aria-hidden="true">
              <PhoneIcon />
            </span>
            <span class="who">
              <span class="who-line">
                <span class="who-name">{label}</span>
              </span>
              <span class="who-line">
                <span class="tag phone">Phone</span>
                <span class="who-state">Calling…</span>
              </span>
            </span>
            <button
              class="ghost hangup"
              data-testid="hangup"
              type="button"
              aria-label={`Hang up ${label}`}
              title="Hang up"
              onClick={() => model.hangUp(sessionId)}
            >
              <HangUpIcon />
            </button>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Person({ person, model }: { person: DailyParticipant; model: RoomModel }) {
  const name = nameOf(person);
  const phone = isPhone(person);
  const seen = seenWords(person, model.people.value);
  return (
    <li
      data-testid="person"
      data-session-id={person.session_id}
      class={model.speaker.value === person.session_id ? "is-speaking" : ""}
    >
      <span
        class={`avatar small ${phone ? "is-phone" : ""} ${person.callState === "ringing" ? "is-ringing" : ""}`}
        aria-hidden="true"
      >
        {phone ? <PhoneIcon /> : initials(name) || "?"}
      </span>
      <span class="who">
        <span class="who-line">
          <span class="who-name">{name}</span>
          {person.local && <span class="tag">You</span>}
          {person.owner && <span class="tag">Owner</span>}
        </span>
        {phone && (
          <span class="who-line">
            <span class="tag phone" data-testid="phone-badge">
              Phone
            </span>
            <span class="who-state" data-testid="call-state">
              {callWords(person)}
            </span>
          </span>
        )}
        {seen !== null && (
          <span class="who-line who-state" title={seen.names}>
            {seen.words}
          </span>
        )}
      </span>
      <Silence person={person} model={model} name={name} />
      {model.admin.value && !person.local && (
        <button
          class={`ghost ${phone ? "hangup" : "danger"}`}
          data-testid={phone ? "hangup" : "remove"}
          type="button"
          aria-label={phone ? `Hang up ${name}` : `Remove ${name}`}
          title={phone ? "Hang up" : "Remove"}
          onClick={() => model.remove(person)}
        >
          {phone ? <HangUpIcon /> : <CloseIcon />}
        </button>
      )}
    </li>
  );
}

/** The microphone of somebody: for an owner a button, for others a sign when it is off. */
function Silence({ person, model, name }: { person: DailyParticipant; model: RoomModel; name: string }) {
  const silent = isSilent(person);
  if (!model.admin.value || person.local || (silent && !isPhone(person))) {
    return silent ? (
      <span class="ghost" role="img" aria-label="muted" title="Muted">
        <MicIcon off />
      </span>
    ) : null;
  }
  return (
    <button
      class="ghost"
      data-testid={silent ? "unmute" : "mute"}
      type="button"
      aria-label={silent ? `Unmute ${name}` : `Mute ${name}`}
      title={silent ? "Unmute" : "Mute"}
      onClick={() => (silent ? model.unmute(person) : model.mute(person))}
    >
      <MicIcon off={silent} />
    </button>
  );
}
