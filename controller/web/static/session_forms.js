// What an operator does with a session and the money for it, one form for each.

import { may } from "./access.js";
import { element } from "./dom.js";
import { Incomplete, choice, field, form, question } from "./form.js";
import { PlayerPicker } from "./player_picker.js";
import { changeWords, clockTime, minorUnits, money, word } from "./words.js";

function tariffField(club, zoneId) {
  const zone = club.zones.find((each) => each.zoneId === zoneId);
  const sold = club.tariffs.filter(
    (tariff) => tariff.status === "ACTIVE" && zone?.tariffIds.includes(tariff.tariffId),
  );
  const select = choice(sold.map((tariff) => [tariff.tariffId, tariff.name]));
  if (sold.length === 0) {
    select.append(element("option", { value: "" }, word("form", "noTariffs")));
    select.disabled = true;
  } else if (sold.some((tariff) => tariff.tariffId === zone.defaultTariffId)) {
    select.value = zone.defaultTariffId;
  }
  return { node: field(word("form", "tariff"), select, "tariffId"), select };
}

function amountField(label, { currency }, name) {
  const input = element("input", { type: "text", inputmode: "decimal", autocomplete: "off" });
  return {
    input,
    node: field(word("form", label, { currency }), input, name),
    minor() {
      const minor = minorUnits(input.value.trim() || "0", currency);
      if (minor === null) throw new Incomplete("badAmount", name);
      return minor;
    },
  };
}

function meansField() {
  const select = choice(["cash", "card"].map((means) => [means, word("form", means)]));
  return { select, node: field(word("form", "means"), select, "means") };
}

// A guest has no wallet, so the money for this one session comes over the desk with it.
function paymentFields(club) {
  const amount = amountField("paysNow", club, "payment.amountMinor");
  const means = meansField();
  return {
    node: element("div", { class: "pair" }, amount.node, means.node),
    asked() {
      const amountMinor = amount.minor();
      return amountMinor === 0 ? {} : { payment: { amountMinor, means: means.select.value } };
    },
  };
}

function whoField(club) {
  const picker = new PlayerPicker(club);
  const label = element("input", { type: "text", maxlength: 64, autocomplete: "off" });
  const payment = paymentFields(club);
  const guest = element(
    "div",
    { class: "form", hidden: true },
    field(word("form", "guestLabel"), label, "guestLabel"),
    payment.node,
  );
  const choices = element("div", {
    class: "choices",
    role: "radiogroup",
    "aria-label": word("form", "who"),
  });
  const radio = (value, checked) => {
    const input = element("input", { type: "radio", name: "who", value, checked });
    input.addEventListener("change", () => {
      guest.hidden = value !== "guest";
      picker.node.hidden = value === "guest";
      (value === "guest" ? label : picker.input).focus();
    });
    return element("label", {}, input, word("form", value));
  };
  choices.append(radio("registered", true), radio("guest", false));
  return {
    nodes: [choices, picker.node, guest],
    asked() {
      if (!guest.hidden) {
        return { guestLabel: label.value.trim() || word("tile", "guest"), ...payment.asked() };
      }
      if (picker.player === null) throw new Incomplete("choosePlayer", "playerId");
      return { playerId: picker.player.playerId };
    },
  };
}

function start({ tile, club, done }) {
  const who = whoField(club);
  const tariff = tariffField(club, tile.zoneId);
  return form({
    fields: [...who.nodes, tariff.node],
    submit: "submitStart",
    async send(post) {
      const body = { pcId: tile.pcId, tariffId: tariff.select.value, start: true, ...who.asked() };
      await post(`/clubs/${club.clubId}/sessions`, body);
      done(word("done", "start", { pc: tile.pcName }));
    },
  });
}

function book({ tile, club, now, done }) {
  const who = whoField(club);
  const tariff = tariffField(club, tile.zoneId);
  const when = element("select", {});
  const quarter = 15 * 60_000;
  for (let at = Math.ceil((now + 60_000) / quarter) * quarter, n = 0; n < 48; n += 1, at += quarter) {
    const instant = new Date(at).toISOString();
    when.append(element("option", { value: instant }, clockTime(instant, club.timezone, now)));
  }
  return form({
    fields: [...who.nodes, tariff.node, field(word("form", "plannedStart"), when, "plannedStartAt")],
    submit: "submitReserve",
    async send(post) {
      const plan = { plannedStartAt: when.value, start: false };
      const body = { pcId: tile.pcId, tariffId: tariff.select.value, ...plan, ...who.asked() };
      await post(`/clubs/${club.clubId}/sessions`, body);
      done(word("done", "book", { pc: tile.pcName }));
    },
  });
}

function startWaiting({ tile, done }) {
  return form({
    fields: [],
    submit: "submitStart",
    async send(post) {
      await post(`/sessions/${tile.sessionId}/start`);
      done(word("done", "startWaiting", { pc: tile.pcName }));
    },
  });
}

function extend({ tile, club, done }) {
  const tariff = tariffField(club, tile.zoneId);
  tariff.select.dataset.first = "";
  const payment = tile.playerId === null ? paymentFields(club) : null;
  return form({
    fields: payment === null ? [tariff.node] : [tariff.node, payment.node],
    submit: "submitExtend",
    async send(post) {
      const body = { tariffId: tariff.select.value, ...payment?.asked() };
      await post(`/sessions/${tile.sessionId}/extend`, body);
      done(word("done", "extend", { pc: tile.pcName }));
    },
  });
}

function move({ tile, tiles, done }) {
  const free = tiles.filter((each) => each.use === "FREE" && each.pcId !== tile.pcId);
  const select = element("select", { "data-first": true });
  for (const zoneName of new Set(free.map((each) => each.zoneName))) {
    const options = free
      .filter((each) => each.zoneName === zoneName)
      .map((each) => {
        const link = each.link === "ONLINE" ? "" : ` (${word("link", each.link)})`;
        return element("option", { value: each.pcId }, each.pcName + link);
      });
    select.append(element("optgroup", { label: zoneName }, ...options));
  }
  if (free.length === 0) {
    select.append(element("option", { value: "" }, word("form", "noFreePcs")));
    select.disabled = true;
  }
  const sameZone = free.find((each) => each.zoneId === tile.zoneId && each.link === "ONLINE");
  if (sameZone) select.value = sameZone.pcId;
  return form({
    fields: [field(word("form", "moveTo"), select, "pcId")],
    submit: "submitMove",
    async send(post) {
      if (select.disabled) throw new Incomplete("noFreePcs", "pcId");
      await post(`/sessions/${tile.sessionId}/switch-device`, { pcId: select.value });
      const target = free.find((each) => each.pcId === select.value).pcName;
      done(word("done", "move", { pc: tile.pcName, target }));
    },
  });
}

function topUp({ tile, club, done }) {
  const amount = amountField("amount", club, "amountMinor");
  amount.input.dataset.first = "";
  const givesBonus = may("topUpWallet.bonusMinor");
  const bonus = amountField("bonus", club, "bonusMinor");
  const means = meansField();
  return form({
    fields: [amount.node, ...(givesBonus ? [bonus.node] : []), means.node],
    submit: "submitTopUp",
    async send(post) {
      const amountMinor = amount.minor();
      if (amountMinor === 0) throw new Incomplete("badAmount", "amountMinor");
      const body = { amountMinor, bonusMinor: givesBonus ? bonus.minor() : 0, means: means.select.value };
      await post(`/clubs/${club.clubId}/players/${tile.playerId}/wallet/top-ups`, body);
      done(word("done", "topUp", { amount: money({ amountMinor, currency: club.currency }) }));
    },
  });
}

// A one-time guest's change is handed over the desk: the page says how much until it was, and what
// of the money stays with the club beside the price.
function withChange(text, { handedBack, forfeited }) {
  const parts = changeWords(handedBack);
  if (forfeited.amountMinor > 0) {
    parts.unshift(word("done", "forfeited", { amount: money(forfeited) }));
  }
  return parts.length === 0 ? [text] : [[text, ...parts].join(". "), { stays: true }];
}

function end({ tile, done }) {
  return form({
    fields: [question("confirmEnd", tile)],
    submit: "submitEnd",
    danger: true,
    async send(post) {
      const ended = await post(`/sessions/${tile.sessionId}/end`, { endedReason: "ManualByAdmin" });
      const text = word("done", "end", { pc: tile.pcName, amount: money(ended.amount) });
      done(...withChange(text, ended));
    },
  });
}

function cancel({ tile, done }) {
  return form({
    fields: [question("confirmCancel", tile)],
    submit: "submitCancel",
    danger: true,
    async send(post) {
      const cancelled = await post(`/sessions/${tile.sessionId}/cancel`);
      done(...withChange(word("done", "cancel", { pc: tile.pcName }), cancelled));
    },
  });
}

export const SESSION_FORMS = { start, book, startWaiting, extend, move, topUp, end, cancel };
