// Time in which a PC did not serve, as it waits for staff: what happened, on what evidence, what
// would come back.

import { may } from "./access.js";
import { element, icon } from "./dom.js";
import { sending, submitButton } from "./form.js";
import { changeWords, clockTime, money, word } from "./words.js";

const OVER = new Set(["outage-decided", "outage-not-found"]);

export function outagesDesk({ clock, hall }) {
  return {
    name: "outages",
    operation: "listOutages",
    path: "outages",
    list: "outages",
    count: ({ outages }) => outages.length,
    cards: ({ outages }, given) =>
      outages.map((outage) => card(outage, { ...given, now: clock.now(), hall })),
  };
}

function card(outage, { club, now, hall, decided }) {
  const who = outage.playerLabel ?? outage.playerId ?? word("tile", "guest");
  const pc = hall.tile(outage.pcId)?.pcName ?? outage.pcId;
  const values = {
    who,
    pc,
    amount: money(outage.amount),
    bonus: money(outage.bonus),
    minutes: outage.creditedMinutes,
  };
  const error = element("p", { class: "error", role: "alert", hidden: true });
  const made = element(
    "form",
    { class: "card", "aria-label": word("outage", "card", values) },
    element("h3", {}, icon("NOT_RESPONDING"), `${pc} · ${who}`),
    element("p", {}, `${word("verdict", outage.verdict)} · ${span(outage, club, now)}`),
    evidence(outage),
    comesBack(outage, values),
    error,
    buttons(),
  );
  return sending(made, {
    error,
    async send(post, act) {
      const path = `/clubs/${encodeURIComponent(club.clubId)}/outages/${outage.sessionId}`;
      let settled;
      try {
        settled = await post(`${path}/${outage.number}/${act}`);
      } catch (refusal) {
        if (!OVER.has(refusal.code)) throw refusal;
        decided(word("outage", "over", values));
        return;
      }
      const words = word("outage", act === "approve" ? "approved" : "rejected", values);
      decided([words, ...changeWords(settled.handedBack)].join(" "));
    },
  });
}

function span(outage, club, now) {
  const from = clockTime(outage.fromAt, club.timezone, now);
  const until = clockTime(outage.untilAt, club.timezone, now);
  return word("outage", "span", { from, until });
}

function evidence(outage) {
  return element(
    "ul",
    { class: "evidence" },
    element("li", {}, word("heard", outage.link)),
    element("li", {}, word("journal", outage.journal)),
  );
}

function comesBack(outage, values) {
  const bonus = outage.bonus.amountMinor === 0 ? "" : `, ${word("outage", "ofBonus", values)}`;
  const way = outage.playerId === null ? "toGuest" : "toPlayer";
  return element(
    "p",
    { class: "back" },
    element("b", {}, values.amount),
    ` ${word("outage", "back", values)}${bonus}. ${word("outage", way, values)}`,
  );
}

function buttons() {
  if (!may("approveOutage")) return element("p", { class: "hint" }, word("outage", "notYours"));
  return element(
    "div",
    { class: "actions" },
    submitButton(word("outage", "approve"), { class: "primary", value: "approve" }),
    submitButton(word("outage", "reject"), { value: "reject" }),
  );
}
