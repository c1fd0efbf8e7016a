// The hall's live stream. The browser resumes by itself with the last id it has seen; a stream
// that goes silent without closing is opened again.

const SILENT_AFTER_MS = 25_000;
const REOPEN_AFTER_MS = 2_000;

export class HallStream {
  #source = null;
  #silence = 0;
  #reopening = 0;
  #onMessage;
  #onState;
  #path;

  constructor(clubId, { onMessage, onState }) {
    this.#path = `/api/v1/clubs/${encodeURIComponent(clubId)}/hall/stream`;
    this.#onMessage = onMessage;
    this.#onState = onState;
    this.#open();
  }

  close() {
    clearTimeout(this.#silence);
    clearTimeout(this.#reopening);
    this.#source?.close();
    this.#source = null;
  }

  #open() {
    this.close();
    const source = new EventSource(this.#path);
    this.#source = source;
    for (const kind of ["snapshot", "tiles", "heartbeat"]) {
      source.addEventListener(kind, (event) => {
        this.#onState("live");
        this.#listen();
        this.#onMessage(kind, JSON.parse(event.data));
      });
    }
    source.onerror = () => {
      this.#onState("lost");
      if (source.readyState === EventSource.CLOSED) this.#reopenLater();
    };
    this.#listen();
  }

  #listen() {
    clearTimeout(this.#silence);
    this.#silence = setTimeout(() => {
      this.#onState("lost");
      this.#open();
    }, SILENT_AFTER_MS);
  }

  // A closed stream was refused: perhaps the server is starting, perhaps the key is gone.
  #reopenLater() {
    clearTimeout(this.#reopening);
    this.#reopening = setTimeout(async () => {
      const response = await fetch("/api/v1/clubs").catch(() => null);
      if (response?.status === 401) location.assign("/");
      else this.#open();
    }, REOPEN_AFTER_MS);
  }
}
