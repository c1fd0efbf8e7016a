// What can be done with one PC, in a dialog beside the hall.

import { get } from "./api.js";
import { element, icon, setText } from "./dom.js";
import { FORMS } from "./forms.js";
import { faults, timing, useOf } from "./tile.js";
import { ago, clockTime, money, word } from "./words.js";

const ACTIONS_BY_USE = {
  FREE: ["start", "book"],
  WAIT: ["startWaiting", "move", "topUp", "cancel"],
  RUNNING: ["extend", "move", "topUp", "end"],
  WARNING: ["extend", "move", "topUp", "end"],
  WAITING: ["extend", "move", "topUp", "end"],
  HOLD: [],
};
const PRIMARY = new Set(["start", "startWaiting", "extend"]);
const DANGEROUS = new Set(["end", "cancel"]);
const ASK_AGAIN_AFTER_MS = 10_000;
const LOST = new Set(["NOT_RESPONDING", "LINK_UNKNOWN", "OFF"]);

export class Sheet {
  #dialog;
  #given;
  #pcId = null;
  #view = null;
  #session = null;
  #sessionAskedAt = 0;
  #shown = null;
  #overview = {};

  constructor(dialog, given) {
    this.#dialog = dialog;
    this.#given = given;
    dialog.addEventListener("close", () => this.#closed());
    dialog.addEventListener("click", (event) => {
      if (event.target === dialog) dialog.close();
    });
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
    this.overview();
    this.#dialog.showModal();
    this.#dialog.querySelector("[data-first]")?.focus();
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
    if (this.#view !== "overview" || this.tile === undefined) return;
    const { figure, words } = timing(this.tile, this.#given.clock.now());
    setText(this.#overview.figure, figure);
    setText(this.#overview.words, words);
    if (performance.now() - this.#sessionAskedAt > ASK_AGAIN_AFTER_MS) this.#loadSession(this.tile);
  }

  overview() {
    const focused = this.#dialog.contains(document.activeElement)
      ? document.activeElement.dataset.action
      : undefined;
    this.#view = "overview";
    const tile = this.tile;
    this.#shown = tile;
    const actions = ACTIONS_BY_USE[tile.use].filter(
      (action) => action !== "topUp" || tile.playerId !== null,
    );
    this.#dialog.replaceChildren(
      this.#header(tile.pcName, null),
      this.#state(tile),
      ...this.#warnings(tile),
      this.#facts(tile),
      element("div", { class: "actions" }, ...actions.map((action, at) => this.#button(action, at))),
    );
    if (focused) this.#dialog.querySelector(`[data-action="${focused}"]`)?.focus();
    this.#loadSession(tile);
  }

  #header(title, onBack) {
    const back =
      onBack &&
      element(
        "button",
        { type: "button", class: "quiet round", "aria-label": word("sheet", "back"), onclick: onBack },
        icon("back"),
      );
    const close = element(
      "button",
      {
        type: "button",
        class: "quiet round",
        "aria-label": word("sheet", "close"),
        onclick: () => this.close(),
      },
      icon("close"),
    );
    return element("header", {}, back, element("h2", { id: "sheet-title" }, title), close);
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

  #warnings(tile) {
    if (!LOST.has(tile.link)) return tile.degraded ? [warning("degradedTitle", faults(tile))] : [];
    const { timezone } = this.#given.club();
    if (tile.exposureUntilAt !== null) {
      const time = clockTime(tile.exposureUntilAt, timezone);
      return [warning("exposureTitle", word("sheet", "exposureText", { time }))];
    }
    if (tile.sessionId === null || tile.lastSeenAt === null) return [];
    const seen = ago(this.#given.clock.now() - Date.parse(tile.lastSeenAt));
    const said = tile.link === "LINK_UNKNOWN" ? "unknown" : "lost";
    return [warning(`${said}Title`, word("sheet", `${said}Text`, { ago: seen }))];
  }

  #held(tile) {
    if (!tile.holdUntilAt) return tile.holdReason;
    const time = clockTime(tile.holdUntilAt, this.#given.club().timezone);
    return word("sheet", "heldUntil", { reason: tile.holdReason, time });
  }

  #facts(tile) {
    const facts = element("dl", { class: "facts" });
    const add = (name, value) =>
      facts.append(element("dt", {}, word("sheet", name)), element("dd", {}, value));
    if (tile.sessionId !== null) this.#sessionFacts(tile, add);
    add("zone", tile.zoneName);
    add("link", word("link", tile.link));
    if (tile.holdReason) add("held", this.#held(tile));
    const screen = tile.locked === null ? "unknown" : tile.locked ? "locked" : "unlocked";
    add("screen", word("sheet", screen));
    return facts;
  }

  #sessionFacts(tile, add) {
    const { timezone } = this.#given.club();
    const now = this.#given.clock.now();
    const at = (instant) => clockTime(instant, timezone, now);
    add("player", tile.playerLabel ?? word("tile", "guest"));
    add("tariff", tile.tariffName ?? "–");
    if (tile.startedAt !== null) add("started", at(tile.startedAt));
    else if (tile.plannedStartAt !== null) add("planned", at(tile.plannedStartAt));
    if (tile.coverageUntilAt !== null) {
      const cause = tile.coverageCause && word("cause", tile.coverageCause);
      const because = cause ? `, ${word("sheet", "because", { cause })}` : "";
      add("coveredUntil", at(tile.coverageUntilAt) + because);
    }
    this.#overview.charged = element("span", {}, this.#chargedWords() ?? "…");
    add("charged", this.#overview.charged);
  }

  async #loadSession(tile) {
    if (tile.sessionId === null) return;
    this.#sessionAskedAt = performance.now();
    const session = await get(`/sessions/${tile.sessionId}`).catch(() => null);
    if (session === null || this.#pcId !== tile.pcId) return;
    this.#session = session;
    if (this.#view === "overview") setText(this.#overview.charged, this.#chargedWords());
  }

  #chargedWords() {
    const session = this.#session;
    if (session === null || session.sessionId !== this.tile?.sessionId) return null;
    if (session.bonus.amountMinor === 0) return money(session.amount);
    const parts = { cash: money(session.cash), bonus: money(session.bonus) };
    return `${money(session.amount)} (${word("sheet", "split", parts)})`;
  }

  #button(action, at) {
    const kind = PRIMARY.has(action) ? "primary" : DANGEROUS.has(action) ? "danger" : "";
    return element(
      "button",
      {
        type: "button",
        class: kind,
        "data-action": action,
        "data-first": at === 0,
        onclick: () => this.#show(action),
      },
      word("action", action),
    );
  }

  #show(action) {
    this.#view = action;
    const { hall, club, clock, toast } = this.#given;
    const form = FORMS[action]({
      tile: this.tile,
      club: club(),
      tiles: hall.tiles(),
      now: clock.now(),
      done: (text) => {
        this.close();
        toast(text);
      },
    });
    const title = `${this.tile.pcName} · ${word("action", action)}`;
    this.#dialog.replaceChildren(
      this.#header(title, () => {
        this.overview();
        this.#dialog.querySelector(`[data-action="${action}"]`)?.focus();
      }),
      form,
    );
    form.querySelector("[data-first]")?.focus();
  }
}

function warning(title, text) {
  return element(
    "div",
    { class: "warning" },
    icon("NOT_RESPONDING"),
    element("div", {}, element("b", {}, word("sheet", title)), element("p", {}, text)),
  );
}
