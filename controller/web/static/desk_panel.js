// Something that waits for staff: a button with its number in the hall's head, shown while there
// is any, and a dialog with one card for each.

import { may } from "./access.js";
import { get, getEvery } from "./api.js";
import { closeFromOutside, dialogHeader } from "./dialog.js";
import { element, setText } from "./dom.js";
import { problemWords, word } from "./words.js";

const ASK_EVERY_MS = 30_000;

// `about` says what waits: the operation that reads it, its address, the name of its rows where it
// comes in pages, how many of an answer count, and the cards an answer makes.
export class DeskPanel {
  #button;
  #dialog;
  #about;
  #club = null;
  #timer = 0;
  #said = element("p", { class: "hint", role: "status" });
  #cards = element("div", { class: "cards" });

  constructor(button, dialog, about) {
    this.#button = button;
    this.#dialog = dialog;
    this.#about = about;
    button.addEventListener("click", () => this.#open());
    closeFromOutside(dialog);
  }

  // Follow another club.
  follow(club) {
    this.#club = club;
    this.#button.hidden = true;
    this.#dialog.close();
    this.#ask();
  }

  async #ask() {
    clearTimeout(this.#timer);
    if (!may(this.#about.operation)) return;
    const club = this.#club;
    let answer = null;
    try {
      // A page nobody looks at asks nothing.
      if (document.visibilityState === "visible") {
        answer = await this.#answer(`/clubs/${encodeURIComponent(club.clubId)}`);
      }
    } catch (refusal) {
      if (this.#dialog.open) setText(this.#said, problemWords(refusal));
    }
    if (club !== this.#club) return;
    if (answer !== null) this.#show(answer);
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ASK_EVERY_MS);
  }

  async #answer(address) {
    const { path, list } = this.#about;
    if (list === undefined) return get(`${address}/${path}`);
    return { [list]: await getEvery(`${address}/${path}`, list) };
  }

  #show(answer) {
    const count = this.#about.count(answer);
    const text = word("desk", this.#about.name);
    this.#button.hidden = count === 0;
    // The head is a live region: it speaks when the number changes, not each time it is asked for.
    if (this.#button.textContent !== `${text} ${count}`) {
      this.#button.replaceChildren(text, " ", element("span", { class: "number" }, String(count)));
    }
    if (!this.#dialog.open || this.#isBusy()) return;
    this.#cards.replaceChildren(...this.#made(answer));
  }

  #made(answer) {
    const cards = this.#about.cards(answer, {
      club: this.#club,
      decided: (words) => this.#decided(words),
    });
    return cards.length > 0 ? cards : [element("p", { class: "empty" }, word("desk", "nothing"))];
  }

  // What somebody is in the middle of is not taken from under their hands.
  #isBusy() {
    const held = document.activeElement;
    return this.#cards.contains(held) || this.#cards.querySelector(":disabled") !== null;
  }

  async #open() {
    setText(this.#said, "");
    this.#cards.replaceChildren(element("p", { class: "hint" }, "…"));
    const title = word("desk", `${this.#about.name}Title`);
    const intro = element("p", { class: "hint" }, word("desk", `${this.#about.name}Text`));
    this.#dialog.replaceChildren(
      dialogHeader(this.#dialog, title),
      intro,
      this.#said,
      this.#cards,
    );
    this.#dialog.showModal();
    await this.#ask();
  }

  // Nothing that gives money away is left under a finger that has just pressed.
  async #decided(words) {
    this.#cards.replaceChildren();
    this.#dialog.querySelector("button").focus();
    setText(this.#said, words);
    await this.#ask();
  }
}
