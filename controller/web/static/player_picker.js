// Finds a player while one types: an input that owns a list of answers.

import { get } from "./api.js";
import { element, setText } from "./dom.js";
import { money, problemWords, word } from "./words.js";

const ASK_AFTER_MS = 180;

export class PlayerPicker {
  #club;
  #timer = 0;
  #asked = 0;
  #active = -1;
  player = null;

  constructor(club) {
    this.#club = club;
    this.input = element("input", {
      type: "text",
      id: "player-search",
      role: "combobox",
      autocomplete: "off",
      "aria-expanded": "false",
      "aria-controls": "player-list",
      "aria-autocomplete": "list",
      "data-field": "playerId",
      "data-first": true,
      maxlength: 64,
    });
    this.list = element("ul", { id: "player-list", role: "listbox", class: "options" });
    this.hint = element("p", { class: "hint", role: "status" });
    this.node = element(
      "div",
      { class: "field" },
      element("label", { for: "player-search" }, word("form", "findPlayer")),
      this.input,
      this.list,
      this.hint,
    );
    this.input.addEventListener("input", () => this.#askSoon());
    this.input.addEventListener("focus", () => this.player === null && this.#askSoon());
    this.input.addEventListener("keydown", (event) => this.#key(event));
    this.list.addEventListener("pointerdown", (event) => this.#press(event));
    this.#fold();
  }

  #askSoon() {
    // What was found for other letters is chosen by nobody, now or when it comes late.
    this.player = null;
    this.#asked += 1;
    this.#fold();
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(), ASK_AFTER_MS);
  }

  async #ask() {
    this.#asked += 1;
    const turn = this.#asked;
    const query = encodeURIComponent(this.input.value.trim());
    let found;
    try {
      found = await get(`/clubs/${this.#club.clubId}/players?limit=20&query=${query}`);
    } catch (refusal) {
      setText(this.hint, problemWords(refusal));
      return;
    }
    if (turn === this.#asked && this.player === null) this.#unfold(found);
  }

  #unfold({ players, nextCursor }) {
    this.#active = -1;
    this.list.replaceChildren(...players.map((player, at) => this.#option(player, at)));
    this.list.hidden = players.length === 0;
    this.input.setAttribute("aria-expanded", String(players.length > 0));
    const hint = players.length === 0 ? "noPlayers" : nextCursor !== null ? "morePlayers" : null;
    setText(this.hint, hint === null ? "" : word("form", hint));
  }

  #option(player, at) {
    const option = element(
      "li",
      { role: "option", id: `player-${at}`, "aria-selected": "false" },
      element("span", {}, player.label),
      element("span", { class: "hint" }, player.phone ?? ""),
      element("span", { class: "balance" }, money(player.balance.cash)),
    );
    option.player = player;
    return option;
  }

  #fold() {
    this.list.hidden = true;
    this.list.replaceChildren();
    this.#active = -1;
    this.input.setAttribute("aria-expanded", "false");
    this.input.removeAttribute("aria-activedescendant");
  }

  #choose(option) {
    this.player = option.player;
    this.input.value = option.player.label;
    const { cash, bonus } = option.player.balance;
    const parts = { cash: money(cash), bonus: money(bonus) };
    setText(this.hint, `${word("sheet", "balance")}: ${word("sheet", "split", parts)}`);
    this.#fold();
  }

  #press(event) {
    const option = event.target.closest("[role=option]");
    if (option === null) return;
    event.preventDefault();
    this.#choose(option);
  }

  #key(event) {
    const options = [...this.list.children];
    if (options.length === 0) return;
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      const step = event.key === "ArrowDown" ? 1 : -1;
      this.#activate(options, (this.#active + step + options.length) % options.length);
    } else if (event.key === "Enter") {
      event.preventDefault();
      this.#choose(options[Math.max(this.#active, 0)]);
    } else if (event.key === "Escape") {
      event.preventDefault();
      event.stopPropagation();
      this.#fold();
    }
  }

  #activate(options, at) {
    this.#active = at;
    options.forEach((option, index) => option.setAttribute("aria-selected", String(index === at)));
    this.input.setAttribute("aria-activedescendant", options[at].id);
    options[at].scrollIntoView({ block: "nearest" });
  }
}
