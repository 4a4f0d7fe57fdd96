/** The box that rings a telephone: an address or a number, the name to show, and why it did not work. */

import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { RoomModel } from "../model";
import { PhoneIcon } from "./icons";

export function DialOut({ model }: { model: RoomModel }) {
  const target = useSignal("");
  const shown = useSignal("");
  const error = model.dialError.value;
  const problem = useRef<HTMLParagraphElement>(null);
  useEffect(() => problem.current?.scrollIntoView({ block: "nearest" }), [error]);
  const submit = async () => {
    if (!(await model.dial(target.value, shown.value))) return;
    target.value = "";
    shown.value = "";
  };
  return (
    <section class="dialout" aria-labelledby="dialout-title">
      <h2 id="dialout-title">Call a phone</h2>
      <form
        noValidate
        onSubmit={(event) => {
          event.preventDefault();
          void submit();
        }}
      >
        <label for="dialout-input">Number or SIP address</label>
        <input
          id="dialout-input"
          data-testid="dialout-input"
          inputMode="text"
          autocomplete="off"
          autocapitalize="none"
          spellcheck={false}
          placeholder="bob@example.com"
          value={target.value}
          aria-invalid={error !== null}
          aria-describedby={error === null ? undefined : "dialout-error"}
          onInput={(event) => {
            target.value = event.currentTarget.value;
            model.dialError.value = null;
          }}
        />
        <label for="dialout-name">
          Shown as <span class="quiet">(optional)</span>
        </label>
        <div class="row">
          <input
            id="dialout-name"
            data-testid="dialout-name"
            autocomplete="off"
            maxLength={199}
            value={shown.value}
            onInput={(event) => (shown.value = event.currentTarget.value)}
          />
          <button class="primary" data-testid="dialout-button" type="submit" disabled={model.dialling.value}>
            <PhoneIcon /> Call
          </button>
        </div>
        {error !== null && (
          <p ref={problem} class="problem" id="dialout-error" data-testid="dialout-error" role="alert">
            {error}
          </p>
        )}
      </form>
    </section>
  );
}
