// What the sheet says of a PC: what is wrong with it, who plays there, what became of an order.

import { element, icon } from "./dom.js";
import { faultCodes } from "./tile.js";
import { ago, clockTime, word } from "./words.js";

const LOST = new Set(["NOT_RESPONDING", "LINK_UNKNOWN", "OFF"]);
const TONE_BY_OUTCOME = { DONE: "FREE", null: "WAIT" };
const ICON_BY_OUTCOME = { DONE: "done", null: "WARNING" };

export function warnings(tile, now, timezone) {
  if (!LOST.has(tile.link)) return tile.degraded ? [faulty(tile)] : [];
  if (tile.exposureUntilAt !== null) {
    const time = clockTime(tile.exposureUntilAt, timezone, now);
    return [warning("exposureTitle", paragraph(word("sheet", "exposureText", { time })))];
  }
  if (tile.lastSeenAt === null) return [];
  const played = tile.sessionId !== null;
  if (tile.link === "OFF" && !played) return [];
  const seen = ago(now - Date.parse(tile.lastSeenAt));
  const said = tile.link === "LINK_UNKNOWN" ? "unknown" : played ? "lost" : "lostFree";
  const title = said === "unknown" ? "unknownTitle" : "lostTitle";
  return [warning(title, paragraph(word("sheet", `${said}Text`, { ago: seen })))];
}

function faulty(tile) {
  const reasons = faultCodes(tile).map((code) =>
    element(
      "li",
      {},
      element("span", {}, word("fault", code)),
      element("span", { class: "advice" }, word("advice", code)),
    ),
  );
  return warning("degradedTitle", element("ul", { class: "reasons" }, ...reasons));
}

function paragraph(text) {
  return element("p", {}, text);
}

function warning(title, content) {
  return element(
    "div",
    { class: "warning" },
    icon("NOT_RESPONDING"),
    element("div", {}, element("b", {}, word("sheet", title)), content),
  );
}

export function facts(tile, now, timezone, { charged, link }) {
  const list = element("dl", { class: "facts" });
  const add = (name, value) =>
    list.append(element("dt", {}, word("sheet", name)), element("dd", {}, value));
  if (tile.sessionId !== null) {
    sessionFacts(tile, now, timezone, add);
    add("charged", charged);
  }
  add("zone", tile.zoneName);
  add("link", link);
  if (tile.holdReason) add("held", held(tile, now, timezone));
  const screen = tile.locked === null ? "unknown" : tile.locked ? "locked" : "unlocked";
  add("screen", word("sheet", screen));
  return list;
}

export function linkWords(tile, now) {
  const said = word("link", tile.link);
  if (tile.link === "ONLINE" || tile.lastSeenAt === null) return said;
  return `${said}, ${word("tile", "seen", { ago: ago(now - Date.parse(tile.lastSeenAt)) })}`;
}

function held(tile, now, timezone) {
  if (!tile.holdUntilAt) return tile.holdReason;
  const time = clockTime(tile.holdUntilAt, timezone, now);
  return word("sheet", "heldUntil", { reason: tile.holdReason, time });
}

function sessionFacts(tile, now, timezone, add) {
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
}

// The last order to the PC, for as long as it is of interest to whoever stands at the desk.
export function lastOrder(tile, now, { timezone, nameOf }) {
  const sent = tile.lastCommand;
  if (!sent) return null;
  const values = {
    order: word("order", sent.command),
    time: clockTime(sent.sentAt, timezone, now),
    carrier: sent.carrierPcId ? nameOf(sent.carrierPcId) : word("sheet", "controller"),
  };
  const woken = sent.command === "WAKE" && sent.outcome === "DONE";
  const text = word("outcome", woken ? "WOKEN" : String(sent.outcome), values);
  return element(
    "p",
    { class: "order", "data-tone": TONE_BY_OUTCOME[sent.outcome] ?? "WAITING" },
    icon(ICON_BY_OUTCOME[sent.outcome] ?? "NOT_RESPONDING"),
    element("span", {}, text),
  );
}
