// What can be done with a PC, as a table: by which operation of the API, when, and by what form.

import { may } from "./access.js";
import { PC_FORMS } from "./pc_forms.js";
import { SESSION_FORMS } from "./session_forms.js";

const PLAYED = ["RUNNING", "WARNING", "WAITING"];
const used =
  (...uses) =>
  (tile) =>
    uses.includes(tile.use);
const heard = (tile) => tile.link === "ONLINE" || tile.link === "SUSPECT";
const heardAndNotPlayed = (tile) => heard(tile) && tile.sessionStatus !== "STARTED";
const asleep = (tile) => tile.link === "OFF" || tile.link === "NOT_RESPONDING";
const well = (tile) => heard(tile) && !tile.degraded;
const ofPlayer = (tile) => tile.playerId !== null && used("WAIT", ...PLAYED)(tile);

// One that `wants` a PC of some kind is not the first thing to do with another.
const SESSION_ACTIONS = {
  start: { operation: "createSession", fits: used("FREE"), kind: "primary", wants: well },
  book: { operation: "createSession", fits: used("FREE") },
  startWaiting: { operation: "startSession", fits: used("WAIT"), kind: "primary" },
  extend: { operation: "extendSession", fits: used(...PLAYED), kind: "primary" },
  move: { operation: "switchSessionDevice", fits: used("WAIT", ...PLAYED) },
  topUp: { operation: "topUpWallet", fits: ofPlayer },
  end: { operation: "endSession", fits: used(...PLAYED), kind: "danger" },
  cancel: { operation: "cancelSession", fits: used("WAIT"), kind: "danger" },
};

// An instant one asks nothing: it is sent as soon as it is chosen.
const PC_ACTIONS = {
  release: { operation: "releasePc", fits: used("HOLD"), kind: "primary" },
  message: { operation: "commandPc", fits: heard },
  identify: { operation: "commandPc", fits: heard, instant: true },
  wake: { operation: "commandPc", fits: asleep, instant: true },
  hold: { operation: "holdPc", fits: used("FREE") },
  visit: { operation: "commandPc", fits: heardAndNotPlayed },
  reboot: { operation: "commandPc", fits: heard },
  shutDown: { operation: "commandPc", fits: heardAndNotPlayed },
};

function open(actions, forms, tile) {
  return Object.entries(actions)
    .filter(([, { operation, fits }]) => may(operation) && fits(tile))
    .map(([name, { kind = "", instant = false, wants = () => true }]) => ({
      name,
      kind: wants(tile) ? kind : "",
      instant,
      form: forms[name],
    }));
}

export function sessionActions(tile) {
  return open(SESSION_ACTIONS, SESSION_FORMS, tile);
}

export function pcActions(tile) {
  return open(PC_ACTIONS, PC_FORMS, tile);
}
