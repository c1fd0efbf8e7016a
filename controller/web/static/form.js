// A form for one thing an operator does. It sends one attempt at a time; what the server refuses
// is shown in its own words, beside the field it is about.

import { Attempt } from "./api.js";
import { element } from "./dom.js";
import { problemWords, word } from "./words.js";

let numbered = 0;

export class Incomplete extends Error {
  constructor(name, fieldName) {
    super(name);
    this.words = word("form", name);
    this.field = fieldName;
  }
}

export function field(label, input, name) {
  numbered += 1;
  input.id = `field-${numbered}`;
  if (name) input.dataset.field = name;
  return element("div", { class: "field" }, element("label", { for: input.id }, label), input);
}

export function choice(options, attributes = {}) {
  return element(
    "select",
    attributes,
    ...options.map(([value, text]) => element("option", { value }, text)),
  );
}

export function question(name, tile, values = {}) {
  const player = tile.playerLabel ?? word("tile", "guest");
  const text = word("form", name, { player, pc: tile.pcName, ...values });
  return element("p", { class: "question" }, text);
}

export function form({ fields, submit, danger, send }) {
  const button = submitButton(word("form", submit), {
    class: danger ? "danger" : "primary",
    "data-first": fields.every((each) => each.tagName === "P"),
  });
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const made = element("form", { class: "form", novalidate: true }, ...fields, error, button);
  return sending(made, { error, send: (post) => send(post) });
}

export function submitButton(text, attributes = {}) {
  return element("button", { type: "submit", ...attributes }, text);
}

// Make a form send: one attempt at a time, by whichever of its buttons was pressed.
export function sending(made, { error, send }) {
  const attempt = new Attempt();
  const refuse = (text, fieldName) => {
    error.hidden = false;
    error.textContent = text;
    made.querySelectorAll("[aria-invalid]").forEach((node) => node.removeAttribute("aria-invalid"));
    made.querySelector(`[data-field="${fieldName}"]`)?.setAttribute("aria-invalid", "true");
  };
  // The second half of a double click is no second wish, whatever it lands on, and neither is
  // a key that is held down.
  made.addEventListener("click", (event) => {
    if (event.detail > 1 && event.target.closest("[type=submit]")) event.preventDefault();
  });
  made.addEventListener("keydown", (event) => {
    if (event.repeat && event.key === "Enter") event.preventDefault();
  });
  made.addEventListener("submit", async (event) => {
    event.preventDefault();
    const buttons = [...made.querySelectorAll("[type=submit]")];
    const pressed = event.submitter ?? buttons[0];
    if (buttons.some((each) => each.disabled)) return;
    const text = pressed.textContent;
    error.hidden = true;
    buttons.forEach((each) => (each.disabled = true));
    pressed.textContent = word("form", "working");
    try {
      await send((path, body) => attempt.post(path, body), pressed.value);
    } catch (refusal) {
      refuse(refusal.words ?? problemWords(refusal), refusal.field);
    } finally {
      buttons.forEach((each) => (each.disabled = false));
      pressed.textContent = text;
      // A button that was disabled has lost the focus to nothing.
      if (document.activeElement === document.body && made.isConnected) pressed.focus();
    }
  });
  return made;
}
