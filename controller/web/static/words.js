// Words, durations, times and money as people read them.

const LABELS = JSON.parse(document.getElementById("labels").textContent);
const LANGUAGE = document.documentElement.lang;

export function word(group, name, values = {}) {
  const text = LABELS[group]?.[name] ?? name;
  return text.replace(/\{(\w+)\}/g, (whole, key) => values[key] ?? whole);
}

export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const hours = Math.floor(seconds / 3600);
  const minutes = Math.floor(seconds / 60) % 60;
  const rest = String(seconds % 60).padStart(2, "0");
  return hours > 0
    ? `${hours}:${String(minutes).padStart(2, "0")}:${rest}`
    : `${minutes}:${rest}`;
}

export function ago(ms) {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 100) return `${seconds} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 100 ? `${minutes} min` : `${Math.round(minutes / 60)} h`;
}

export function clockTime(instant, timezone, now) {
  const date = new Date(instant);
  const format = (options) =>
    new Intl.DateTimeFormat(LANGUAGE, { timeZone: timezone, hourCycle: "h23", ...options });
  const time = format({ hour: "2-digit", minute: "2-digit" }).format(date);
  const day = format({ day: "numeric", month: "short" });
  return now === undefined || day.format(date) === day.format(new Date(now))
    ? time
    : `${day.format(date)}, ${time}`;
}

function fractionDigits(currency) {
  return new Intl.NumberFormat(LANGUAGE, { style: "currency", currency }).resolvedOptions()
    .maximumFractionDigits;
}

export function money({ amountMinor, currency }) {
  const format = new Intl.NumberFormat(LANGUAGE, { style: "currency", currency });
  return format.format(amountMinor / 10 ** fractionDigits(currency));
}

// What the desk hands a one-time guest back, a sentence for each means.
export function changeWords(handedBack) {
  return ["cash", "card"]
    .filter((means) => handedBack?.[means].amountMinor > 0)
    .map((means) => word("handBack", means, { amount: money(handedBack[means]) }));
}

// Minor units of what somebody typed, or null. Digits only: no floating point meets money.
export function minorUnits(text, currency) {
  const digits = fractionDigits(currency);
  const match = /^(\d{1,9})(?:[.,](\d*))?$/.exec(text.trim());
  if (!match || (match[2] ?? "").length > digits) return null;
  return Number(match[1] + (match[2] ?? "").padEnd(digits, "0"));
}

export function problemWords(refusal) {
  if (refusal.code === "network") return word("problem", "network");
  if (refusal.code === "forbidden") {
    return word("problem", "forbidden", { detail: refusal.message });
  }
  return refusal.message || word("problem", "unknown");
}
