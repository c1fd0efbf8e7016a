// The club's business time, between two messages from the server. It may run faster than real
// time in a demo, so a page never counts down by its own clock alone.

export class BusinessClock {
  #businessMs = 0;
  #realMs = 0;
  #speed = 1;

  get speed() {
    return this.#speed;
  }

  get known() {
    return this.#businessMs > 0;
  }

  sync(now, speed) {
    this.#businessMs = Date.parse(now);
    this.#realMs = performance.now();
    this.#speed = speed;
  }

  now() {
    return this.#businessMs + (performance.now() - this.#realMs) * this.#speed;
  }
}
