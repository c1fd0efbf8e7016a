// One PC of the hall. Link and use are told apart and both in colour, icon and words.

import { element, icon, setText } from "./dom.js";
import { ago, clockTime, duration, word } from "./words.js";

const LOST = new Set(["NOT_RESPONDING", "LINK_UNKNOWN"]);

export function useOf(tile) {
  if (tile.use === "WARNING" && tile.coverageStatus === "NEEDS_ATTENTION") {
    return { tone: "URGENT", text: word("coverage", "NEEDS_ATTENTION") };
  }
  return { tone: tile.use, text: word("use", tile.use) };
}

export function needsAttention(tile) {
  return (
    LOST.has(tile.link) ||
    tile.use === "WARNING" ||
    tile.use === "WAITING" ||
    tile.exposureUntilAt !== null ||
    Boolean(tile.degraded) ||
    unlockedFree(tile) ||
    (tile.link === "OFF" && tile.sessionId !== null)
  );
}

function unlockedFree(tile) {
  return tile.sessionId === null && tile.locked === false && tile.link === "ONLINE";
}

export function timing(tile, now) {
  if (tile.sessionId === null) return { figure: "", words: "" };
  if (tile.use === "WAIT") {
    const left = Date.parse(tile.plannedStartAt ?? 0) - now;
    return left > 0
      ? { figure: duration(left), words: word("tile", "startsIn") }
      : { figure: "–:––", words: word("tile", "startNow") };
  }
  if (tile.coverageUntilAt !== null) {
    const left = Date.parse(tile.coverageUntilAt) - now;
    return { figure: duration(left), words: word("tile", "left") };
  }
  const since = tile.startedAt === null ? 0 : now - Date.parse(tile.startedAt);
  return { figure: duration(since), words: word("tile", "elapsed") };
}

function note(tile, now, timezone) {
  if (tile.exposureUntilAt !== null && LOST.has(tile.link)) {
    const time = clockTime(tile.exposureUntilAt, timezone);
    return { tone: "exposed", icon: "exposure", text: word("tile", "exposure", { time }) };
  }
  if (tile.link !== "ONLINE") {
    const seen = tile.lastSeenAt === null ? null : ago(now - Date.parse(tile.lastSeenAt));
    const detail = seen === null || tile.link === "OFF" ? "" : ` · ${seen}`;
    return { tone: tile.link, icon: tile.link, text: word("link", tile.link) + detail };
  }
  if (unlockedFree(tile)) {
    return { tone: "exposed", icon: "exposure", text: word("tile", "unlockedFree") };
  }
  if (tile.degraded) {
    return { tone: "exposed", icon: "SUSPECT", text: `${word("tile", "degraded")}: ${faults(tile)}` };
  }
  if (tile.use === "HOLD" && tile.holdReason) {
    return { tone: "ONLINE", icon: "HOLD", text: held(tile, timezone) };
  }
  if (tile.locked === true && (tile.use === "RUNNING" || tile.use === "WARNING")) {
    return { tone: "unlocking", icon: "WAITING", text: word("tile", "unlocking") };
  }
  return { tone: "ONLINE", icon: "ONLINE", text: word("link", "ONLINE") };
}

function held(tile, timezone) {
  if (!tile.holdUntilAt) return tile.holdReason;
  const time = clockTime(tile.holdUntilAt, timezone);
  return word("tile", "heldUntil", { reason: tile.holdReason, time });
}

export function faultCodes(tile) {
  return tile.degraded.split(",");
}

function faults(tile) {
  return faultCodes(tile).map((code) => word("fault", code)).join(", ");
}

export class TileView {
  #tile;
  #parts;

  constructor(tile, onOpen) {
    this.#parts = {
      name: element("span", { class: "name" }),
      use: element("span", { class: "use" }),
      figure: element("span", { class: "figure" }),
      words: element("span", { class: "words" }),
      who: element("span", { class: "who" }),
      tariff: element("span", { class: "tariff" }),
      note: element("span", { class: "note" }),
    };
    const { name, use, figure, words, who, tariff, note: line } = this.#parts;
    this.node = element(
      "button",
      { type: "button", class: "tile", "data-pc": tile.pcId, onclick: () => onOpen(tile.pcId) },
      element("span", { class: "top" }, name, use),
      element("span", { class: "time" }, figure, words),
      who,
      element("span", { class: "foot" }, line, tariff),
    );
    this.#tile = null;
  }

  get tile() {
    return this.#tile;
  }

  show(tile, now, timezone) {
    const before = this.#tile;
    this.#tile = tile;
    const { tone, text } = useOf(tile);
    const { dataset } = this.node;
    dataset.use = tile.use;
    dataset.tone = tone;
    dataset.link = tile.link;
    setText(this.#parts.name, tile.pcName);
    if (before === null || useOf(before).text !== text || before.use !== tile.use) {
      this.#parts.use.replaceChildren(icon(tile.use), text);
    }
    const who = tile.sessionId === null ? "" : (tile.playerLabel ?? word("tile", "guest"));
    setText(this.#parts.who, who);
    setText(this.#parts.tariff, tile.tariffName ?? "");
    this.tick(now, timezone);
  }

  tick(now, timezone) {
    const tile = this.#tile;
    const { figure, words } = timing(tile, now);
    setText(this.#parts.figure, figure);
    setText(this.#parts.words, words);
    const line = note(tile, now, timezone);
    this.node.dataset.note = line.tone;
    if (this.#parts.note.textContent !== line.text) {
      this.#parts.note.replaceChildren(icon(line.icon), element("span", {}, line.text));
    }
  }

  matches(query, attentionOnly) {
    const tile = this.#tile;
    if (attentionOnly && !needsAttention(tile)) return false;
    if (query === "") return true;
    return [tile.pcName, tile.playerLabel, tile.tariffName].some((text) =>
      text?.toLowerCase().includes(query),
    );
  }
}
