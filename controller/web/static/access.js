// What whoever is signed in may do, by the API's names of operations. It only spares people
// buttons that would be refused: the API judges every request anew.

const MAY = new Set(document.body.dataset.may.split(" "));

export function may(operation) {
  return MAY.has(operation);
}
