// Machines that are not what they should be: some wait to be let in, some speak under a name
// nobody knows, some were shut out.

import { may } from "./access.js";
import { element, icon } from "./dom.js";
import { Incomplete, choice, field, sending, submitButton } from "./form.js";
import { ago, word } from "./words.js";

export function devicesDesk({ hall }) {
  return {
    name: "devices",
    operation: "getQuarantine",
    path: "quarantine",
    count: ({ waiting, strangers, shutOut }) =>
      waiting.length + strangers.length + shutOut.filter(isTwo).length,
    cards: ({ waiting, strangers, shutOut }, given) => [
      ...waiting.map((one) => waitingCard(one, { ...given, hall })),
      ...strangers.map((one) => strangerCard(one)),
      ...shutOut.map((one) => shutOutCard(one, { ...given, hall })),
    ],
  };
}

function isTwo({ state }) {
  return state === "QUARANTINED";
}

function card(symbol, title, ...content) {
  return element("section", { class: "card" }, element("h3", {}, icon(symbol), title), ...content);
}

// Enrolment tells the machine's own time, not the club's.
function since(instant) {
  return ago(Date.now() - Date.parse(instant));
}

function describe(machine, title) {
  const { hostname, system, mac, board } = machine;
  const parts = [hostname, system, mac, board].filter((each) => each && each !== title);
  return element("p", { class: "hint", hidden: parts.length === 0 }, parts.join(" · "));
}

function waitingCard(one, { club, hall, decided }) {
  const named = hall.tile(one.pcId)?.pcName ?? one.pcId ?? "";
  const reason = word("enrolment", one.reason, { pc: named });
  const asked = word("enrolment", "asked", { ago: since(one.askedAt), origin: one.origin });
  const title = one.machine.hostname || one.machine.mac || one.requestId;
  const shown = card("WAIT", title, element("p", {}, reason), describe(one.machine, title));
  shown.append(element("p", { class: "hint" }, asked));
  if (may("approveEnrolment")) shown.append(decision(one, { club, hall, decided, title }));
  return shown;
}

function decision(one, { club, hall, decided, title }) {
  const pcs = hall.tiles().map((tile) => [tile.pcId, tile.pcName]);
  const pc = choice([["", word("enrolment", "choosePc")], ...pcs]);
  pc.value = pcs.some(([pcId]) => pcId === one.pcId) ? one.pcId : "";
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const made = element(
    "form",
    { class: "form", novalidate: true, "aria-label": title },
    field(word("enrolment", "isPc"), pc, "pcId"),
    error,
    element(
      "div",
      { class: "actions" },
      submitButton(word("enrolment", "approve"), { class: "primary", value: "approve" }),
      submitButton(word("enrolment", "reject"), { class: "danger", value: "reject" }),
    ),
  );
  return sending(made, {
    error,
    async send(post, act) {
      if (act === "approve" && pc.value === "") throw new Incomplete("choosePc", "pcId");
      const path = `/clubs/${encodeURIComponent(club.clubId)}/enrolments/${one.requestId}/${act}`;
      await post(path, act === "approve" ? { pcId: pc.value } : undefined);
      const as = hall.tile(pc.value)?.pcName ?? "";
      decided(word("enrolment", act === "approve" ? "approved" : "rejected", { title, pc: as }));
    },
  });
}

function strangerCard(one) {
  const values = { messages: one.messages, ago: since(one.lastSeenAt) };
  return card("LINK_UNKNOWN", one.pcId, element("p", {}, word("enrolment", "stranger", values)));
}

function shutOutCard(one, { club, hall }) {
  const name = hall.tile(one.pcId)?.pcName ?? one.pcId;
  const command = `clubctl pcs enrol --club ${club.clubId} --pc ${one.pcId}`;
  return card(
    "WAITING",
    name,
    element("p", {}, word("enrolment", one.state)),
    describe(one.machine, name),
    element("p", { class: "hint" }, word("enrolment", "again"), " ", element("code", {}, command)),
  );
}
