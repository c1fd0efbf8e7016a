// How a PC is doing as a machine, as it last told; asked for as long as somebody looks.

import { may } from "./access.js";
import { get } from "./api.js";
import { element, setText } from "./dom.js";
import { ago, problemWords, word } from "./words.js";

const ASK_EVERY_MS = 15_000;
const HOT_CELSIUS = 90;
const FULL_PERCENT = 95;
const MB_PER_GB = 1024;

export class MachinePanel {
  #clock;
  #club;
  #pcId;
  #askedAt = -Infinity;
  #told = null;

  constructor({ clock, club, pcId }) {
    this.#clock = clock;
    this.#club = club;
    this.#pcId = pcId;
    this.facts = element("dl", { class: "facts machine" });
    this.hint = element("p", { class: "hint" }, "…");
    this.node = element(
      "section",
      { class: "part", "aria-labelledby": "machine-title", hidden: !may("getPcMachine") },
      element("h3", { id: "machine-title" }, word("machine", "title")),
      this.facts,
      this.hint,
    );
  }

  tick() {
    if (this.#told !== null) this.#showAge();
    if (performance.now() - this.#askedAt > ASK_EVERY_MS && !this.node.hidden) this.#ask();
  }

  async #ask() {
    this.#askedAt = performance.now();
    const address = `/clubs/${encodeURIComponent(this.#club.clubId)}/pcs/${encodeURIComponent(this.#pcId)}`;
    try {
      this.#told = await get(`${address}/machine`);
      this.#show(this.#told);
      this.#showAge();
    } catch (refusal) {
      this.#told = null;
      this.facts.replaceChildren();
      const silent = refusal.code === "pc-unreachable";
      setText(this.hint, silent ? word("machine", "untold") : problemWords(refusal));
    }
  }

  #showAge() {
    const time = ago(this.#clock.now() - Date.parse(this.#told.at));
    setText(this.hint, word("machine", "told", { ago: time }));
  }

  #show(told) {
    const rows = [
      ["cpu", load(told.cpuPercent, told.cpuCelsius), told.cpuModel],
      ["gpu", load(told.gpuPercent, told.gpuCelsius), told.gpuModel],
      ["memory", memory(told), null],
      ["foreground", told.foreground && element("span", {}, told.foreground), null],
      ["system", named(told.osName, told.hostname), null],
    ].filter(([, value]) => value);
    this.facts.replaceChildren(
      ...rows.flatMap(([name, value, model]) => [
        element("dt", {}, word("machine", name)),
        element("dd", {}, value, model && element("span", { class: "hint model" }, model)),
      ]),
    );
  }
}

function known(value) {
  return value !== null && value !== undefined;
}

function load(percent, celsius) {
  const parts = [];
  if (known(percent)) parts.push(bar(percent, false), `${percent} %`);
  if (known(celsius)) parts.push(heat(celsius));
  return parts.length > 0 && element("span", { class: "load" }, ...parts);
}

function heat(celsius) {
  const hot = celsius >= HOT_CELSIUS;
  const text = hot ? word("machine", "hot", { celsius }) : `${celsius} °C`;
  return element("span", { class: hot ? "alarming" : "" }, text);
}

function memory({ memoryPercent, memoryTotalMb }) {
  if (!known(memoryPercent)) return false;
  const gigabytes = known(memoryTotalMb) ? Math.round(memoryTotalMb / MB_PER_GB) : null;
  const name = gigabytes === null ? "used" : "usedOf";
  const full = memoryPercent >= FULL_PERCENT;
  const text = word("machine", name, { percent: memoryPercent, gigabytes });
  return element(
    "span",
    { class: "load" },
    bar(memoryPercent, full),
    element("span", { class: full ? "alarming" : "" }, full ? `${text}: ${word("machine", "full")}` : text),
  );
}

function bar(percent, alarming) {
  const filled = element("i", { class: alarming ? "alarming" : "" });
  filled.style.width = `${percent}%`;
  return element("span", { class: "level", "aria-hidden": "true" }, filled);
}

function named(system, hostname) {
  const parts = [system, hostname].filter(known);
  return parts.length > 0 && element("span", {}, parts.join(" · "));
}
