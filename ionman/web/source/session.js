// One WAMP session on one router, over a WebSocket in CBOR: the login, requests and their answers, events.
import { decode, encode } from "cbor2";
import { Failure, refusal } from "./failure.js";
import { Scram } from "./scram.js";

const [HELLO, WELCOME, ABORT, CHALLENGE, AUTHENTICATE, GOODBYE, ERROR] = [1, 2, 3, 4, 5, 6, 8];
const [PUBLISHED, SUBSCRIBED, UNSUBSCRIBED, EVENT, RESULT] = [17, 33, 35, 36, 50];
export const [PUBLISH, SUBSCRIBE, UNSUBSCRIBE, CALL] = [16, 32, 34, 48];
const ANSWERS = [PUBLISHED, SUBSCRIBED, UNSUBSCRIBED, RESULT];
const ROLES = { caller: {}, publisher: {}, subscriber: {} };
const TURN = 50; // milliseconds between two looks whether all is answered
const [OPENING, LOGIN] = [5000, 10000]; // milliseconds: the longest that one attempt may take
// Milliseconds: how often to look; nothing heard for so long, with a request open or without: ask; no answer: it is gone.
const [TICK, QUIET, IDLE, SILENT] = [500, 1000, 15000, 3000];

export class Session {
  // `largest`: the router's max_message_size, in octets.
  constructor(url, largest) {
    Object.assign(this, { url, largest, joined: false, gone: null });
    this.requests = new Map(); // number -> {resolve, reject}
    this.handlers = new Map(); // subscription -> handlers
    this.last = 0;
    this.heard = this.looked = performance.now();
    this.asked = 0; // when the router was asked for a sign of life; 0: it is not
    this.onlost = () => {};
  }

  // Connect and log in; rejects with a Failure that says why not.
  join(realm, user, password, limit) {
    return new Promise((resolve, reject) => {
      this.settle = { resolve, reject };
      this.scram = new Scram(user, password);
      const [first, whole] = [Math.min(OPENING, limit), Math.min(OPENING + LOGIN, limit)];
      this.opening = setTimeout(() => this.end(silent(this.url, first)), first);
      this.login = setTimeout(() => this.end(silent(this.url, whole)), whole);
      try {
        this.socket = new WebSocket(this.url, "wamp.2.cbor");
      } catch (problem) {
        this.end(new Failure("input", `${this.url} is no router: ${problem.message}`));
        return;
      }
      this.socket.binaryType = "arraybuffer";
      this.socket.onopen = () => {
        clearTimeout(this.opening);
        const details = { roles: ROLES, authid: user, authmethods: ["scram"], authextra: this.scram.extra() };
        this.socket.send(encode([HELLO, realm, details]));
      };
      this.socket.onmessage = ({ data }) => this.take(data);
      this.socket.onclose = () => this.end(this.joined ? broken(this.url) : unreachable(this.url));
    });
  }

  // Send a request and resolve to its answer; rejects with a Failure.
  ask(kind, ...rest) {
    if (!this.joined || this.gone || this.socket.readyState !== WebSocket.OPEN) {
      return Promise.reject(new Failure("unavailable", `${this.url} is lost`, { lost: true, unsent: true }));
    }
    let data;
    try {
      data = encode([kind, this.last + 1, ...rest]);
    } catch (problem) {
      return Promise.reject(new Failure("input", `the parameters cannot be sent: ${problem.message}`));
    }
    if (data.length > this.largest) {
      const said = `the parameters make ${data.length} octets; the router takes ${this.largest} a message`;
      return Promise.reject(new Failure("input", said));
    }
    this.last += 1;
    return new Promise((resolve, reject) => {
      this.requests.set(this.last, { resolve, reject });
      this.socket.send(data);
    });
  }

  // Resolve when everything that was asked is answered, or lost.
  async idle() {
    while (this.requests.size && !this.gone) {
      await new Promise((resolve) => setTimeout(resolve, TURN));
    }
  }

  // Call `handler` for no event any more.
  forget(handler) {
    for (const [number, handlers] of this.handlers) {
      this.handlers.set(number, handlers.filter((one) => one !== handler));
    }
  }

  leave() {
    if (this.joined && this.socket.readyState === WebSocket.OPEN) {
      this.socket.send(encode([GOODBYE, {}, "wamp.close.close_realm"]));
    }
    this.end(new Failure("unavailable", "the client was closed", { lost: true }));
  }

  // --- what the router sends ---

  take(data) {
    this.heard = performance.now();
    this.asked = 0;
    let message;
    try {
      message = decode(new Uint8Array(data));
      this.joined ? this.answer(message) : this.greet(message);
    } catch (problem) {
      const said = `${this.url} sent what is no WAMP message: ${problem.message}`;
      this.end(new Failure("unavailable", said, { lost: true }));
    }
  }

  greet([kind, first, second]) {
    if (kind === CHALLENGE) {
      this.scram.answer(second).then(
        (signature) => this.gone || this.socket.send(encode([AUTHENTICATE, signature, {}])),
        (problem) => this.end(new Failure("refused", problem.message)),
      );
    } else if (kind === ABORT) {
      this.end(refusal(second, first.message, "unavailable"));
    } else if (kind !== WELCOME) {
      this.end(new Failure("unavailable", `${this.url} answered the login with WAMP message ${kind}`));
    } else if (!this.scram.accepts(second.authextra)) {
      this.end(new Failure("refused", "the router could not prove that it knows the password"));
    } else {
      this.joined = true;
      clearTimeout(this.login);
      this.ticking = setInterval(() => this.tick(), TICK);
      this.settle.resolve(this);
    }
  }

  answer(message) {
    const [kind, first, second] = message;
    if (ANSWERS.includes(kind)) {
      this.pop(first)?.resolve(message);
    } else if (kind === ERROR) {
      this.pop(second)?.reject(refusal(message[4], (message[5] ?? []).join(" ")));
    } else if (kind === EVENT) {
      for (const handler of this.handlers.get(first) ?? []) {
        // as an event of its own, so that a handler's failure is reported and stops nothing here
        queueMicrotask(() => handler(message[4]?.[0]));
      }
    } else if (kind === GOODBYE || kind === ABORT) {
      this.end(new Failure("unavailable", `the router ended the session: ${second}`, { lost: true }));
    }
  }

  pop(number) {
    const request = this.requests.get(number);
    this.requests.delete(number);
    return request;
  }

  // --- silence, and the end ---

  // A browser has no ping: taking back a subscription that is none is answered by every router, to everybody.
  tick() {
    const now = performance.now();
    const asleep = now - this.looked > 10 * TICK; // the page was: what was sent meanwhile is read after this
    this.looked = now;
    if (this.asked && !asleep && now - this.asked > SILENT) {
      this.end(new Failure("unavailable", `${this.url} fell silent`, { lost: true }));
    } else if (!this.asked && now - this.heard > (this.requests.size ? QUIET : IDLE)) {
      this.asked = now;
      this.ask(UNSUBSCRIBE, 0).catch(() => {});
    }
  }

  end(why) {
    if (this.gone) {
      return;
    }
    this.gone = why;
    clearTimeout(this.opening);
    clearTimeout(this.login);
    clearInterval(this.ticking);
    this.socket?.close();
    this.settle.reject(why);
    if (this.joined) {
      this.onlost(this, why);
    }
    for (const { reject } of this.requests.values()) {
      reject(why.lost ? why : broken(this.url));
    }
    this.requests.clear();
  }
}

const silent = (url, limit) =>
  new Failure("unavailable", `${url} did not answer within ${(limit / 1000).toFixed(1)} s`, { silent: true });
const unreachable = (url) => new Failure("unavailable", `the router ${url} cannot be reached`);
const broken = (url) => {
  const said = `the connection to ${url} was lost: what was asked may have been done or not`;
  return new Failure("unavailable", said, { lost: true });
};
