// Orders to a PC, and its way out of use and back.

import { element } from "./dom.js";
import { Incomplete, choice, field, form, question } from "./form.js";
import { clockTime, word } from "./words.js";

const MINUTE_MS = 60_000;
const HOLD_MINUTES = [15, 30, 60, 120, 240, 480, 720];
const VISIT_MINUTES = [15, 30, 60, 120, 240];
const VISIT_USUAL_MINUTES = 30;
const REASONS = ["cleaning", "headset", "mouse", "screen", "slow"];
const CODE_LETTERS = "23456789ABCDEFGHJKMNPQRSTUVWXYZ";
const CODE_LENGTH = 8;

function path(club, tile, act) {
  return `/clubs/${encodeURIComponent(club.clubId)}/pcs/${encodeURIComponent(tile.pcId)}/${act}`;
}

// `note` is what whoever gave the order still has to know once it is sent.
function order({ club, tile, sent }, { fields, body, note, ...rest }) {
  return form({
    ...rest,
    fields,
    async send(post) {
      await post(path(club, tile, "commands"), body());
      sent(note?.() || null);
    },
  });
}

function message(given) {
  const text = element("textarea", { rows: 3, maxlength: 280, "data-first": true });
  const made = order(given, {
    fields: [field(word("form", "messageText"), text, "text")],
    submit: "submitMessage",
    body() {
      if (text.value.trim() === "") throw new Incomplete("noText", "text");
      return { command: "MESSAGE", text: text.value.trim() };
    },
  });
  text.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    made.requestSubmit();
  });
  return made;
}

function identify(given) {
  const body = () => ({ command: "IDENTIFY" });
  return order(given, { fields: [question("askIdentify", given.tile)], submit: "submitIdentify", body });
}

function wake(given) {
  const body = () => ({ command: "WAKE" });
  return order(given, { fields: [question("askWake", given.tile)], submit: "submitWake", body });
}

function reboot(given) {
  const plays = given.tile.sessionStatus === "STARTED";
  return order(given, {
    fields: [question(plays ? "confirmRebootUnder" : "confirmReboot", given.tile)],
    submit: "submitReboot",
    danger: true,
    body: () => ({ command: "REBOOT" }),
  });
}

function shutDown(given) {
  return order(given, {
    fields: [question("confirmShutDown", given.tile)],
    submit: "submitShutDown",
    danger: true,
    body: () => ({ command: "SHUTDOWN" }),
  });
}

function drawCode() {
  const drawn = crypto.getRandomValues(new Uint32Array(CODE_LENGTH));
  return Array.from(drawn, (number) => CODE_LETTERS[number % CODE_LETTERS.length]).join("");
}

// Whoever types the code at the PC has it open for that long.
function visit(given) {
  const minutes = VISIT_MINUTES.map((each) => [each, word("form", "minutes", { minutes: each })]);
  const long = choice([...minutes, [0, word("form", "visitOver")]], { "data-first": true });
  long.value = VISIT_USUAL_MINUTES;
  const code = element("input", {
    type: "text",
    class: "code",
    maxlength: 64,
    autocomplete: "off",
    spellcheck: "false",
    value: drawCode(),
  });
  const secret = field(word("form", "visitCode"), code, "code");
  const hint = element("p", { class: "hint" }, word("form", "visitHint"));
  long.addEventListener("change", () => {
    secret.hidden = hint.hidden = long.value === "0";
  });
  return order(given, {
    fields: [field(word("form", "visitFor"), long, "durationSeconds"), secret, hint],
    submit: "submitVisit",
    note: () => long.value !== "0" && visitNote(code.value.trim(), long.value),
    body() {
      const durationSeconds = Number(long.value) * 60;
      if (durationSeconds === 0) return { command: "MAINTENANCE", durationSeconds };
      const asked = code.value.trim();
      if (!/^[A-Za-z0-9]{6,64}$/.test(asked)) throw new Incomplete("badCode", "code");
      return { command: "MAINTENANCE", durationSeconds, code: asked };
    },
  });
}

function visitNote(code, minutes) {
  return element(
    "span",
    {},
    word("form", "visitNote", { minutes }),
    " ",
    element("b", { class: "code" }, code),
  );
}

function hold({ tile, club, now, done }) {
  const reason = element("input", {
    type: "text",
    maxlength: 120,
    autocomplete: "off",
    list: "hold-reasons",
    "data-first": true,
  });
  const usual = element(
    "datalist",
    { id: "hold-reasons" },
    ...REASONS.map((each) => element("option", { value: word("holdReason", each) })),
  );
  const ends = HOLD_MINUTES.map((minutes) => {
    const instant = new Date(now + minutes * MINUTE_MS).toISOString();
    const time = clockTime(instant, club.timezone, now);
    const long = minutes < 60 ? "minutes" : "hours";
    return [instant, word("form", `hold_${long}`, { time, minutes, hours: minutes / 60 })];
  });
  const until = choice([["", word("form", "untilReleased")], ...ends]);
  return form({
    fields: [
      field(word("form", "holdReason"), reason, "reason"),
      usual,
      field(word("form", "holdUntil"), until, "untilAt"),
    ],
    submit: "submitHold",
    async send(post) {
      const asked = { reason: reason.value.trim(), untilAt: until.value || null };
      if (asked.reason === "") throw new Incomplete("noReason", "reason");
      await post(path(club, tile, "hold"), asked);
      done(word("done", "hold", { pc: tile.pcName }));
    },
  });
}

function release({ tile, club, done }) {
  return form({
    fields: [question("confirmRelease", tile, { reason: tile.holdReason ?? "" })],
    submit: "submitRelease",
    async send(post) {
      await post(path(club, tile, "release"));
      done(word("done", "release", { pc: tile.pcName }));
    },
  });
}

export const PC_FORMS = { message, identify, wake, reboot, shutDown, visit, hold, release };
