// Requests of the page. Everything that changes state carries a key of its own; trying again
// after a lost answer repeats the key, so it cannot happen twice.

const PREFIX = "/api/v1";

export class Refusal extends Error {
  constructor(detail, code, field) {
    super(detail);
    this.code = code;
    this.field = field;
  }
}

async function answer(response) {
  if (response.status === 401) {
    location.assign("/");
  }
  const body = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refusal(body.detail ?? "", body.code ?? "unknown", body.field);
  return body;
}

export async function get(path) {
  let response;
  try {
    response = await fetch(PREFIX + path, { headers: { Accept: "application/json" } });
  } catch {
    throw new Refusal("", "network");
  }
  return answer(response);
}

// Every row of a list, page after page.
export async function getEvery(path, name) {
  const rows = [];
  let page = { nextCursor: "" };
  while (page.nextCursor !== null) {
    const cursor = page.nextCursor === "" ? "" : `&cursor=${page.nextCursor}`;
    page = await get(`${path}?limit=200${cursor}`);
    rows.push(...page[name]);
  }
  return rows;
}

// One thing an operator wants done: the same key for every attempt at the same content.
export class Attempt {
  #key = null;
  #asked = null;

  async post(path, body) {
    const asked = JSON.stringify([path, body]);
    if (asked !== this.#asked) {
      this.#asked = asked;
      this.#key = newKey();
    }
    let response;
    try {
      response = await fetch(PREFIX + path, {
        method: "POST",
        headers: { "Content-Type": "application/json", "Idempotency-Key": this.#key },
        body: body === undefined ? undefined : JSON.stringify(body),
      });
    } catch {
      throw new Refusal("", "network");
    }
    // A refusal is an answer too: what is tried after it is a new request.
    if (!response.ok && response.status < 500 && response.status !== 429) this.#asked = null;
    return answer(response);
  }
}

function newKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
