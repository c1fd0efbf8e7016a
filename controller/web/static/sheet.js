// What can be done with one PC, in a dialog beside the hall.

import { pcActions, sessionActions } from "./actions.js";
import { get } from "./api.js";
import { closeFromOutside, dialogHeader } from "./dialog.js";
import { element, icon, setText } from "./dom.js";
import { MachinePanel } from "./machine.js";
import { facts, lastOrder, linkWords, warnings } from "./pc_facts.js";
import { timing, useOf } from "./tile.js";
import { money, word } from "./words.js";

const ASK_AGAIN_AFTER_MS = 10_000;

export class Sheet {
  #dialog;
  #given;
  #pcId = null;
  #view = null;
  #session = null;
  #sessionAskedAt = 0;
  #shown = null;
  #overview = {};
  #machine = null;
  #note = null;
  #said = element("p", { class: "visually-hidden", role: "status" });

  constructor(dialog, given) {
    this.#dialog = dialog;
    this.#given = given;
    dialog.addEventListener("close", () => this.#closed());
    closeFromOutside(dialog);
  }

  get isOpen() {
    return this.#dialog.open;
  }

  get tile() {
    return this.#given.hall.tile(this.#pcId);
  }

  open(pcId) {
    this.#pcId = pcId;
    this.#session = null;
    this.#note = null;
    const { clock, club } = this.#given;
    this.#machine = new MachinePanel({ clock, club: club(), pcId });
    setText(this.#said, "");
    this.overview();
    this.#dialog.showModal();
    this.#dialog.querySelector("[data-first]")?.focus();
    this.#machine.tick();
  }

  close() {
    this.#dialog.close();
  }

  #closed() {
    const pcId = this.#pcId;
    this.#pcId = null;
    this.#view = null;
    this.#dialog.replaceChildren();
    this.#given.hall.focus(pcId);
  }

  // A change that came over the stream. A form in use is left alone.
  refresh() {
    const tile = this.tile;
    if (!this.isOpen) return;
    if (tile === undefined) this.#gone();
    else if (this.#view === "overview" && tile !== this.#shown) this.overview();
  }

  // The PC has left the hall, and whatever form was open for it has nothing to be about.
  #gone() {
    const { pcName } = this.#shown;
    this.close();
    this.#given.toast(word("sheet", "retired", { pc: pcName }));
  }

  tick() {
    const tile = this.tile;
    if (this.#view !== "overview" || tile === undefined) return;
    const now = this.#given.clock.now();
    const { figure, words } = timing(tile, now);
    setText(this.#overview.figure, figure);
    setText(this.#overview.words, words);
    setText(this.#overview.link, linkWords(tile, now));
    warnings(tile, now, this.#given.club().timezone).forEach((fresh, at) => {
      const told = this.#overview.warnings[at]?.querySelector("p");
      if (told) setText(told, fresh.querySelector("p").textContent);
    });
    this.#machine.tick();
    if (performance.now() - this.#sessionAskedAt > ASK_AGAIN_AFTER_MS) this.#loadSession(tile);
  }

  overview() {
    const focused = this.#dialog.contains(document.activeElement)
      ? document.activeElement.dataset.action
      : undefined;
    this.#view = "overview";
    const tile = this.tile;
    this.#shown = tile;
    const now = this.#given.clock.now();
    const { timezone } = this.#given.club();
    this.#overview.charged = element("span", {}, this.#chargedWords() ?? "…");
    this.#overview.link = element("span", {}, linkWords(tile, now));
    this.#overview.warnings = warnings(tile, now, timezone);
    this.#dialog.replaceChildren(
      dialogHeader(this.#dialog, tile.pcName),
      this.#state(tile),
      ...this.#overview.warnings,
      facts(tile, now, timezone, this.#overview),
      this.#buttons(sessionActions(tile), "actions"),
      this.#ofPc(tile, now, timezone),
      this.#machine.node,
      this.#said,
    );
    this.#dialog.querySelector("[data-action]")?.setAttribute("data-first", "");
    if (focused) this.#dialog.querySelector(`[data-action="${focused}"]`)?.focus();
    this.#loadSession(tile);
  }

  #state(tile) {
    const { tone, text } = useOf(tile);
    const { figure, words } = timing(tile, this.#given.clock.now());
    this.#overview.figure = element("span", { class: "figure" }, figure);
    this.#overview.words = element("span", { class: "words" }, words);
    return element(
      "p",
      { class: "state", "data-tone": tone },
      element("span", { class: "use" }, icon(tile.use), text),
      element("span", { class: "time" }, this.#overview.figure, this.#overview.words),
    );
  }

  #ofPc(tile, now, timezone) {
    const nameOf = (pcId) => this.#given.hall.tile(pcId)?.pcName ?? pcId;
    const order = lastOrder(tile, now, { timezone, nameOf });
    const buttons = this.#buttons(pcActions(tile), "actions small");
    if (order !== null) setText(this.#said, order.textContent);
    return element(
      "section",
      { class: "part", "aria-labelledby": "pc-title", hidden: order === null && buttons.hidden },
      element("h3", { id: "pc-title" }, word("sheet", "thisPc")),
      order,
      this.#note && element("p", { class: "said" }, this.#note),
      buttons,
    );
  }

  #buttons(actions, className) {
    const buttons = actions.map((action) =>
      element(
        "button",
        {
          type: "button",
          class: action.kind,
          "data-action": action.name,
          onclick: () => this.#show(action),
        },
        word("action", action.name),
      ),
    );
    return element("div", { class: className, hidden: buttons.length === 0 }, ...buttons);
  }

  async #loadSession(tile) {
    if (tile.sessionId === null) return;
    this.#sessionAskedAt = performance.now();
    const session = await get(`/sessions/${tile.sessionId}`).catch(() => null);
    if (session === null || this.#pcId !== tile.pcId) return;
    this.#session = session;
    if (this.#view === "overview") setText(this.#overview.charged, this.#chargedWords() ?? "…");
  }

  #chargedWords() {
    const session = this.#session;
    if (session === null || session.sessionId !== this.tile?.sessionId) return null;
    if (session.bonus.amountMinor === 0) return money(session.amount);
    const parts = { cash: money(session.cash), bonus: money(session.bonus) };
    return `${money(session.amount)} (${word("sheet", "split", parts)})`;
  }

  #show(action) {
    const { hall, club, clock, toast } = this.#given;
    const tile = this.tile;
    if (tile === undefined) return;
    this.#view = action.name;
    const back = () => {
      this.overview();
      const button = this.#dialog.querySelector(`[data-action="${action.name}"]`);
      (button ?? this.#dialog.querySelector("[data-first]"))?.focus();
    };
    const form = action.form({
      tile,
      club: club(),
      tiles: hall.tiles(),
      now: clock.now(),
      done: (text, options) => {
        this.close();
        toast(text, options);
      },
      // What becomes of an order is seen where it was given.
      sent: (note = null) => {
        this.#note = note;
        if (this.tile !== undefined && this.#view === action.name) back();
      },
    });
    const title = `${tile.pcName} · ${word("action", action.name)}`;
    this.#dialog.replaceChildren(dialogHeader(this.#dialog, title, back), form, this.#said);
    form.querySelector("[data-first]")?.focus();
    if (action.instant) form.requestSubmit();
  }
}
