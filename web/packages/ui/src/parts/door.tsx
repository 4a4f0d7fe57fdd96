/** Who waits to be let in, for those who may open. */

import type { RoomModel } from "../model";
import { clean, initials } from "../text";

export function Door({ model }: { model: RoomModel }) {
  const waiting = model.waiting.value;
  if (waiting.length === 0) return null;
  return (
    <section class="people" aria-labelledby="door-title">
      <h2 id="door-title">
        Waiting to be let in <span class="count">{waiting.length}</span>
      </h2>
      <ul>
        {waiting.map((person) => {
          const name = clean(person.name, 80) || "Somebody";
          return (
            <li key={person.id} data-testid="waiting" data-session-id={person.id}>
              <span class="avatar small" aria-hidden="true">
                {initials(name) || "?"}
              </span>
              <span class="who">
                <span class="who-line">
                  <span class="who-name">{name}</span>
                </span>
              </span>
              <button class="primary small" type="button" data-testid="let-in" aria-label={`Let ${name} in`} onClick={() => model.letIn(person, true)}>
                Let in
              </button>
              <button class="ghost wide" type="button" data-testid="turn-away" aria-label={`Do not let ${name} in`} onClick={() => model.letIn(person, false)}>
                No
              </button>
            </li>
          );
        })}
      </ul>
    </section>
  );
}
