// What may be asked again, and where: a call is repeated only if it provably never started, or may run twice.
// The same rules as ionman/calls/rules.py.

export const NO_SUCH_PROCEDURE = "wamp.error.no_such_procedure";
// The callee went away with the call in flight, or was made to leave.
const INTERRUPTED = ["wamp.error.canceled", "ionman.error.drained"];
const MISSING = 2000; // milliseconds: an idempotent procedure that nobody has registered for so long is not there

// Whether a call that ended with `problem` (a Failure) may be made again. `missing`: for how many milliseconds all
// routers that can be reached have known no such procedure.
export function again(problem, { idempotent, missing = 0 }) {
  if (problem.unsent) {
    return true;
  }
  if (problem.uri === NO_SUCH_PROCEDURE) {
    return idempotent && missing < MISSING;
  }
  return idempotent && (problem.lost || INTERRUPTED.includes(problem.uri));
}

// Whether `uri` is among `idempotent`: URIs, or beginnings that end in "." or "*".
export function declared(uri, idempotent) {
  return idempotent.some((one) => uri === one || (/[.*]$/.test(one) && uri.startsWith(one.replace(/\*$/, ""))));
}

// Milliseconds before a call is made for the `times`-th time again on a router that answered.
export function pause(times) {
  return times <= 1 ? 0 : Math.min(500, 20 * 2 ** times);
}
