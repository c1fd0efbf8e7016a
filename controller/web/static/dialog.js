// What the dialogs beside the hall have in common: their head, and how they are left.

import { element, icon } from "./dom.js";
import { word } from "./words.js";

// Title, the way out, and a way back where there is one. The title names the dialog.
export function dialogHeader(dialog, title, onBack = null) {
  const round = (name, onclick) =>
    element(
      "button",
      { type: "button", class: "quiet round", "aria-label": word("sheet", name), onclick },
      icon(name),
    );
  return element(
    "header",
    {},
    onBack && round("back", onBack),
    element("h2", { id: dialog.getAttribute("aria-labelledby") }, title),
    round("close", () => dialog.close()),
  );
}

// A click beside the dialog leaves it; one on an empty spot inside is on the dialog too.
export function closeFromOutside(dialog) {
  dialog.addEventListener("click", (event) => {
    const { left, right, top, bottom } = dialog.getBoundingClientRect();
    const { clientX: x, clientY: y } = event;
    const inside = left <= x && x <= right && top <= y && y <= bottom;
    if (event.target === dialog && !inside) dialog.close();
  });
}
