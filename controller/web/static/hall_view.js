// The hall: zones, their tiles and what their tiles add up to.

import { element, icon, setText } from "./dom.js";
import { TileView, needsAttention } from "./tile.js";
import { word } from "./words.js";

const COUNTS = [
  ["running", "RUNNING"],
  ["ending", "WARNING"],
  ["reserved", "WAIT"],
  ["hold", "HOLD"],
  ["free", "FREE"],
  ["lost", "NOT_RESPONDING"],
  ["unknown", "LINK_UNKNOWN"],
];
const SHOWN_IF_ANY = new Set(["hold", "reserved", "unknown"]);
const DENSE_FROM = 60;

function countsOf(tiles) {
  const counts = { running: 0, ending: 0, reserved: 0, hold: 0, free: 0, lost: 0, unknown: 0 };
  for (const tile of tiles) {
    if (tile.link === "NOT_RESPONDING") counts.lost += 1;
    else if (tile.link === "LINK_UNKNOWN") counts.unknown += 1;
    if (tile.use === "FREE") counts.free += 1;
    else if (tile.use === "RUNNING") counts.running += 1;
    else if (tile.use === "WAIT") counts.reserved += 1;
    else if (tile.use === "HOLD") counts.hold += 1;
    else counts.ending += 1;
  }
  return counts;
}

export class CountList {
  #items = new Map();

  constructor(node) {
    this.node = node;
    for (const [name, symbol] of COUNTS) {
      const number = element("b", {}, "0");
      const item = element("li", { "data-count": name }, icon(symbol), number, ` ${word("count", name)}`);
      this.#items.set(name, { item, number });
      node.append(item);
    }
  }

  show(counts) {
    for (const [name, { item, number }] of this.#items) {
      setText(number, String(counts[name]));
      item.dataset.none = counts[name] === 0;
      item.hidden = counts[name] === 0 && SHOWN_IF_ANY.has(name);
    }
  }
}

class ZoneView {
  constructor(zone) {
    this.zoneId = zone.zoneId;
    this.counts = new CountList(element("ul", { class: "counts" }));
    this.meter = element("span", { class: "meter", "aria-hidden": "true" });
    this.grid = element("div", { class: "grid" });
    this.empty = element("p", { class: "empty", hidden: true });
    const id = `zone-${zone.zoneId}`;
    this.node = element(
      "section",
      { class: "zone", "aria-labelledby": id },
      element("header", {}, element("h2", { id }, zone.name), this.counts.node, this.meter),
      this.grid,
      this.empty,
    );
  }

  showCounts(counts, total) {
    this.counts.show(counts);
    const parts = ["running", "ending", "reserved", "hold", "free"].filter((name) => counts[name] > 0);
    while (this.meter.children.length > parts.length) this.meter.lastChild.remove();
    while (this.meter.children.length < parts.length) this.meter.append(element("i"));
    parts.forEach((name, at) => {
      const bar = this.meter.children[at];
      bar.dataset.count = name;
      bar.style.flexGrow = String(counts[name] / total);
    });
  }
}

export class HallView {
  #tiles = new Map();
  #zones = new Map();
  #filter = { query: "", attentionOnly: false };

  constructor(node, clock, { onOpen, onCounts }) {
    this.node = node;
    this.clock = clock;
    this.onOpen = onOpen;
    this.onCounts = onCounts;
    this.timezone = undefined;
    node.addEventListener("keydown", (event) => this.#walk(event));
  }

  tile(pcId) {
    return this.#tiles.get(pcId)?.tile;
  }

  tiles() {
    return [...this.#tiles.values()].map((view) => view.tile);
  }

  focus(pcId) {
    this.#tiles.get(pcId)?.node.focus();
  }

  clear() {
    this.#tiles.clear();
    this.#zones.clear();
    this.node.replaceChildren();
  }

  snapshot(hall) {
    const known = hall.zones.every((zone) => this.#zones.has(zone.zoneId));
    const same = known && hall.tiles.length === this.#tiles.size &&
      hall.tiles.every((tile) => this.#tiles.has(tile.pcId));
    if (!same) this.#rebuild(hall);
    this.changed(hall.tiles);
  }

  #rebuild(hall) {
    this.clear();
    for (const zone of hall.zones) this.#addZone(zone);
    this.node.dataset.density = hall.tiles.length >= DENSE_FROM ? "dense" : "roomy";
    if (hall.tiles.length === 0) {
      this.node.append(element("p", { class: "empty" }, word("page", "noPcs")));
    }
  }

  #addZone(zone) {
    const view = new ZoneView(zone);
    this.#zones.set(zone.zoneId, view);
    this.node.append(view.node);
    return view;
  }

  changed(tiles, gone = []) {
    const now = this.clock.now();
    for (const pcId of gone) {
      this.#tiles.get(pcId)?.node.remove();
      this.#tiles.delete(pcId);
    }
    for (const tile of tiles) {
      let view = this.#tiles.get(tile.pcId);
      if (view === undefined) {
        view = new TileView(tile, this.onOpen);
        this.#tiles.set(tile.pcId, view);
      }
      const zone =
        this.#zones.get(tile.zoneId) ??
        this.#addZone({ zoneId: tile.zoneId, name: tile.zoneName });
      if (view.node.parentNode !== zone.grid) zone.grid.append(view.node);
      view.show(tile, now, this.timezone);
    }
    this.#refresh();
  }

  tick() {
    const now = this.clock.now();
    for (const view of this.#tiles.values()) view.tick(now, this.timezone);
  }

  filter(change) {
    Object.assign(this.#filter, change);
    this.#refresh();
  }

  #refresh() {
    const byZone = new Map([...this.#zones.keys()].map((zoneId) => [zoneId, []]));
    const shown = new Map([...this.#zones.keys()].map((zoneId) => [zoneId, 0]));
    for (const view of this.#tiles.values()) {
      const { zoneId } = view.tile;
      byZone.get(zoneId).push(view.tile);
      view.node.hidden = !view.matches(this.#filter.query, this.#filter.attentionOnly);
      if (!view.node.hidden) shown.set(zoneId, shown.get(zoneId) + 1);
    }
    for (const [zoneId, tiles] of byZone) {
      const zone = this.#zones.get(zoneId);
      zone.showCounts(countsOf(tiles), tiles.length);
      zone.empty.hidden = shown.get(zoneId) > 0;
      const unfiltered = tiles.length === 0 ? "noPcsHere" : "allWell";
      const text = this.#filter.query === "" ? unfiltered : "noMatch";
      setText(zone.empty, word("page", text));
    }
    const all = this.tiles();
    this.onCounts(countsOf(all), all.filter(needsAttention).length);
  }

  // Arrow keys walk the hall as it looks, so two hundred tiles are not two hundred tab stops away.
  #walk(event) {
    const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
    const move = moves[event.key];
    const from = event.target.closest?.(".tile");
    if (move === undefined || from === null || from === undefined) return;
    const target = this.#nearest(from, move);
    if (target !== null) {
      event.preventDefault();
      target.focus();
    }
  }

  #nearest(from, [dx, dy]) {
    const here = from.getBoundingClientRect();
    let best = null;
    let bestCost = Infinity;
    for (const { node } of this.#tiles.values()) {
      if (node === from || node.hidden) continue;
      const there = node.getBoundingClientRect();
      const x = there.left - here.left;
      const y = there.top - here.top;
      const along = x * dx + y * dy;
      const across = Math.abs(x * dy) + Math.abs(y * dx);
      const cost = along + across * 4;
      if (along > 4 && cost < bestCost) {
        best = node;
        bestCost = cost;
      }
    }
    return best;
  }
}
