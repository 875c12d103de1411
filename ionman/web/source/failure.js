// The one error of ionman.js. `kind` is "refused", "unavailable", "late", "input" (what cannot be sent) or "wamp" (the
// answer was an error); `uri` is a WAMP error's. `lost`: the connection broke before the answer.
export class Failure extends Error {
  constructor(kind, message, { uri = null, lost = false, unsent = false, silent = false } = {}) {
    super(message);
    this.name = "Failure";
    Object.assign(this, { kind, uri, lost, unsent, silent });
  }
}

const REFUSED = /authenti|authoriz|no_such_(principal|role|realm)|auth_method/;

// The Failure for an ERROR or an ABORT.
export function refusal(uri, text, otherwise = "wamp") {
  return new Failure(REFUSED.test(uri) ? "refused" : otherwise, text || uri, { uri });
}
