// The page: picks a club, follows its stream, opens the sheet of a PC.

import { get, getEvery } from "./api.js";
import { BusinessClock } from "./clock.js";
import { DeskPanel } from "./desk_panel.js";
import { devicesDesk } from "./devices.js";
import { element, setText } from "./dom.js";
import { CountList, HallView } from "./hall_view.js";
import { outagesDesk } from "./outages.js";
import { Sheet } from "./sheet.js";
import { HallStream } from "./stream.js";
import { clockTime, problemWords, word } from "./words.js";

const ANNOUNCE_EVERY_MS = 10_000;
const TOAST_FOR_MS = 5_000;
const RETRY_AFTER_MS = 3_000;
const $ = (id) => document.getElementById(id);

class Page {
  #clock = new BusinessClock();
  #totals = new CountList($("totals"));
  #stream = null;
  #announced = "";
  #summary = "";
  club = null;

  constructor() {
    this.hall = new HallView($("zones"), this.#clock, {
      onOpen: (pcId) => this.sheet.open(pcId),
      onCounts: (counts, attention) => this.#showCounts(counts, attention),
    });
    this.sheet = new Sheet($("sheet"), {
      hall: this.hall,
      clock: this.#clock,
      club: () => this.club,
      toast: (text, options) => this.toast(text, options),
    });
    const given = { hall: this.hall, clock: this.#clock };
    this.desks = [
      new DeskPanel($("show-outages"), $("outages"), outagesDesk(given)),
      new DeskPanel($("show-devices"), $("devices"), devicesDesk(given)),
    ];
    this.#listen();
  }

  async begin() {
    const clubs = await getEvery("/clubs", "clubs");
    if (clubs.length === 0) {
      $("zones").replaceChildren(element("p", { class: "empty" }, word("page", "noClubs")));
      return;
    }
    $("club").replaceChildren(
      ...clubs.map((club) => element("option", { value: club.clubId }, club.name)),
    );
    const wanted = decodeURIComponent(location.hash.slice(1));
    const first = clubs.find((club) => club.clubId === wanted) ?? clubs[0];
    await this.show(first.clubId);
  }

  async show(clubId) {
    this.#stream?.close();
    this.hall.clear();
    $("club").value = clubId;
    history.replaceState(null, "", `#${encodeURIComponent(clubId)}`);
    this.club = await get(`/clubs/${encodeURIComponent(clubId)}`);
    this.hall.timezone = this.club.timezone;
    document.title = `${this.club.name} · ${word("page", "product")}`;
    this.#stream = new HallStream(clubId, {
      onMessage: (kind, data) => this.#take(kind, data),
      onState: (state) => this.#showLink(state),
    });
    this.desks.forEach((desk) => desk.follow(this.club));
  }

  #take(kind, data) {
    this.#clock.sync(data.now, data.speed);
    const speed = $("speed");
    speed.hidden = data.speed === 1;
    setText(speed, word("page", "faster", { speed: data.speed }));
    speed.title = word("page", "fasterDetail", { speed: data.speed });
    if (kind === "snapshot") this.hall.snapshot(data);
    else if (kind === "tiles") this.hall.changed(data.tiles, data.gone);
    if (kind !== "heartbeat") this.sheet.refresh();
    this.#tick();
  }

  #showLink(state) {
    const node = $("link-state");
    if (node.dataset.state === state) return;
    node.dataset.state = state;
    setText(node, word("page", state));
    const lost = state === "lost";
    document.body.classList.toggle("stale", lost);
    const banner = $("lost");
    banner.hidden = !lost;
    const time = this.club && this.#clock.known ? this.#time() : "–";
    if (lost) setText(banner, word("page", "lostDetail", { time }));
  }

  #time() {
    return clockTime(this.#clock.now(), this.club.timezone);
  }

  showRefusal(refusal) {
    this.#showLink("lost");
    setText($("lost"), problemWords(refusal));
  }

  #showCounts(counts, attention) {
    this.#totals.show(counts);
    setText($("attention-count"), String(attention));
    $("show-attention").dataset.some = attention > 0;
    this.#summary = word("page", "summary", counts);
  }

  #tick() {
    if (!this.#clock.known || document.body.classList.contains("stale")) return;
    setText($("club-time"), this.#time());
    this.hall.tick();
    this.sheet.tick();
  }

  // One sentence now and then: two hundred talking tiles would help nobody.
  #announce() {
    if (this.#summary === this.#announced) return;
    this.#announced = this.#summary;
    setText($("announcer"), this.#summary);
  }

  // What somebody still has to do stays until they say that it is done.
  toast(text, { stays = false } = {}) {
    const node = element("p", {}, text);
    if (stays) {
      const button = element("button", { type: "button" }, word("toast", "handedOver"));
      button.addEventListener("click", () => node.remove());
      node.append(" ", button);
    } else {
      setTimeout(() => node.remove(), TOAST_FOR_MS);
    }
    $("toasts").append(node);
  }

  #listen() {
    $("club").addEventListener("change", (event) => this.show(event.target.value));
    window.addEventListener("hashchange", () => {
      const asked = decodeURIComponent(location.hash.slice(1));
      const known = [...$("club").options].some((one) => one.value === asked);
      if (known && asked !== this.club?.clubId) this.show(asked);
    });
    $("search").addEventListener("input", (event) =>
      this.hall.filter({ query: event.target.value.trim().toLowerCase() }),
    );
    const choose = (attentionOnly) => {
      $("show-all").setAttribute("aria-pressed", String(!attentionOnly));
      $("show-attention").setAttribute("aria-pressed", String(attentionOnly));
      this.hall.filter({ attentionOnly });
    };
    $("show-all").addEventListener("click", () => choose(false));
    $("show-attention").addEventListener("click", () => choose(true));
    document.addEventListener("keydown", (event) => {
      const typing = event.target.matches("input, select, textarea");
      if (event.key === "/" && !typing && document.querySelector("dialog[open]") === null) {
        event.preventDefault();
        $("search").focus();
      }
    });
    setInterval(() => this.#tick(), 500);
    setInterval(() => this.#announce(), ANNOUNCE_EVERY_MS);
  }
}

const page = new Page();

// The page may be opened before the server it talks to is ready.
async function start() {
  try {
    await page.begin();
  } catch (refusal) {
    page.showRefusal(refusal);
    setTimeout(start, RETRY_AFTER_MS);
  }
}

start();
