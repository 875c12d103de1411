// ionman.js: calls from a browser to services behind routers, over one WebSocket that stays open.
//
//   const client = await ionman.connect({ user: "alice", password: "..." });
//   client.call("app.demo.method1", { dummy: "none required" }, (data) => console.log(data.status, data.result));
//
// It lives on one router, and goes on on the next when that one breaks, falls silent or says that it is about to go. A call is made again only if it
// provably never started, or its procedure is declared idempotent. A failure is an `ionman.Failure`.
import { Failure } from "./failure.js";
import { again, declared, NO_SUCH_PROCEDURE, pause } from "./rules.js";
import { CALL, PUBLISH, Session, SUBSCRIBE } from "./session.js";

export { Failure };

const LONGEST_PAUSE = 2000; // milliseconds between two rounds over the routers
const STEADY = 2000; // milliseconds: a session that lasted longer was a good one, and its loss is no reason to pause
const AWAY = 5000; // milliseconds for which a router that could not be visited is left alone
const ATTEMPT = 15000; // milliseconds for one router
const LEAVING = "ionman.router.leaving"; // what a router says before it goes away: ionman/leaving.py
const [LONGEST_AWAY, SPREAD] = [300, 0.25]; // seconds that it may ask for; so much of them more, each time another

let current = null;

// Log in and resolve to a Client. Options:
//   user, password;
//   routers: "host:port" or "wss://host:port/ws", tried in turn (default: the router that served the page);
//   realm (default: "ionman");
//   deadline: milliseconds for joining, and for each call that names none (default: 30000);
//   idempotent: procedures that may run twice, or beginnings of them that end in "." or "*" (default: none);
//   largest: the routers' max_message_size, in octets (default: 1048576);
//   onstate(state): called with "open", "lost", "closed".
export async function connect(options) {
  const client = new Client(options);
  await client.first();
  current = client;
  return client;
}

// Call on the connection made last: see Client.call.
export function call(topic, params, success, error, options) {
  if (current === null) {
    const problem = new Failure("unavailable", "not connected: call ionman.connect first");
    return settle(Promise.reject(problem), success, error);
  }
  return current.call(topic, params, success, error, options);
}

export class Client {
  constructor({ user, password, url, routers = [url ?? location.host], realm = "ionman", timeout = 30000, ...more }) {
    const { deadline = timeout, idempotent = [], largest = 1 << 20, onstate = () => {} } = more;
    Object.assign(this, { user, password, realm, deadline, idempotent, largest, onstate });
    this.routers = [...new Set(routers.map(address))];
    this.home = null;
    this.others = new Map(); // url -> Session
    this.visits = new Map(); // url -> the promise of one
    this.down = new Map(); // url -> until when it need not be visited again
    this.absent = new Map(); // url -> until when it is left alone, for it is about to go
    this.fled = null; // the url of the one that home was on when it was last about to go
    this.moving = new Set(); // sessions on such routers, which stay until all is answered
    this.turn = 0;
    this.trouble = new Failure("unavailable", "no router has been asked yet");
    this.subscriptions = new Set();
    this.waiting = []; // those who wait for a router
    this.closed = false;
  }

  // Call `topic` with `params`. With `success` (and `error`) they are called with the answer (or the Failure);
  // without, the promise that is returned settles so. `options`, also as third argument: `deadline` (milliseconds),
  // `idempotent`.
  call(topic, params = {}, success, error, options) {
    if (typeof success === "object" && success !== null) {
      [success, options] = [undefined, success];
    }
    const { deadline = this.deadline, idempotent = declared(topic, this.idempotent) } = options ?? {};
    return settle(this.ask(topic, deadline, idempotent, CALL, {}, topic, [params]).then(value), success, error);
  }

  // Publish `data` to everybody who subscribed `topic`, this client too; resolves when the router has taken it.
  async publish(topic, data) {
    await this.ask(topic, this.deadline, false, PUBLISH, { acknowledge: true, exclude_me: false }, topic, [data]);
  }

  // Call `handler(data)` for every event of `topic`, also after the connection came back.
  async subscribe(topic, handler) {
    const subscription = { topic, handler };
    this.subscriptions.add(subscription);
    try {
      await (this.home && this.follow(this.home, subscription));
    } catch (problem) {
      if (!problem.lost) {
        this.subscriptions.delete(subscription);
        throw problem;
      }
    }
  }

  close() {
    this.closed = true;
    for (const session of [this.home, ...this.others.values(), ...this.moving]) {
      session?.leave();
    }
    this.changed();
  }

  // --- calls on their way ---

  async ask(topic, deadline, idempotent, ...request) {
    const question = { topic, idempotent, ends: performance.now() + deadline, without: new Set(), tries: 0 };
    for (;;) {
      const session = await this.session(question);
      question.tries += 1;
      try {
        const late = () => new Failure("late", `${topic} did not answer in time`);
        return await within(session.ask(...request), question.ends, late);
      } catch (problem) {
        question.error = problem;
        if (problem.uri === NO_SUCH_PROCEDURE) {
          question.without.add(session.url);
          question.since ??= performance.now();
        } else if (this.closed || !again(problem, question)) {
          throw problem;
        } else if (!problem.lost) {
          await this.rest(question);
        }
      }
    }
  }

  // A session to ask on, at home if possible; waits for one, and throws when none is left or the time has passed.
  async session(question) {
    for (;;) {
      if (this.closed) {
        throw new Failure("unavailable", "the client was closed");
      }
      const known = [this.home, ...this.others.values()];
      const found = known.find((one) => one && !question.without.has(one.url));
      if (found) {
        return found;
      }
      if (question.without.size && !this.seek(question.without)) {
        if (!again(question.error, { ...question, missing: performance.now() - question.since })) {
          throw question.error;
        }
        question.without.clear();
        await this.rest(question);
        continue;
      }
      const change = new Promise((resolve) => this.waiting.push(resolve));
      await within(change, question.ends, () => question.error ?? this.unasked(question.topic));
    }
  }

  rest(question) {
    const over = new Promise((resolve) => setTimeout(resolve, pause(question.tries)));
    return within(over, question.ends, () => question.error);
  }

  unasked(topic) {
    const said = `${topic} was not asked, for no router was joined in time: ${this.trouble.message}`;
    return new Failure(this.trouble.kind, said, { uri: this.trouble.uri });
  }

  // --- routers ---

  // Join one router; rejects with what they said when none lets us in. One that does not answer is tried again.
  async first() {
    const ends = performance.now() + this.deadline;
    for (;;) {
      const failures = [];
      for (const [number, url] of this.routers.entries()) {
        try {
          this.settle(await this.join(url, (ends - performance.now()) / (this.routers.length - number)));
          return;
        } catch (problem) {
          failures.push(problem);
        }
      }
      this.trouble = together(failures);
      if (!failures.some((problem) => problem.silent) || ends - performance.now() < 500) {
        throw this.trouble;
      }
    }
  }

  async join(url, limit) {
    const session = new Session(url, this.largest);
    session.onlost = (lost, why) => this.lost(lost, why);
    await session.join(this.realm, this.user, this.password, Math.max(0, limit));
    if (this.closed) {
      session.leave();
      throw new Failure("unavailable", "the client was closed");
    }
    this.heed(session);
    return session;
  }

  // Have `session` as home, `instead` of that one or of none; one too many is left again.
  settle(session, instead = null) {
    if (this.home && this.home !== instead) {
      this.move(session);
      return;
    }
    this.home = session;
    this.since = performance.now();
    this.turn = this.routers.indexOf(session.url) + 1;
    this.followed = [...this.subscriptions].map((subscription) =>
      this.follow(session, subscription).catch((problem) => problem.lost || console.warn(problem.message)),
    );
    this.onstate("open");
    this.changed();
  }

  // What a router says before it goes away. One that does not let us hear it never says it.
  heed(session) {
    const heard = ({ seconds }) => seconds > 0 && seconds <= LONGEST_AWAY && this.leaving(session, seconds);
    const took = ([, , number]) => session.handlers.set(number, [heard]);
    session.ask(SUBSCRIBE, {}, LEAVING).then(took, () => {});
  }

  leaving(session, seconds) {
    const away = 1000 * seconds * (1 + SPREAD * Math.random());
    this.absent.set(session.url, performance.now() + away);
    if (!session.gone && !this.moving.has(session)) {
      this.move(session);
    }
  }

  // Have another home, send nothing new on `session`, and leave it when all is answered there.
  async move(session) {
    this.moving.add(session);
    if (session === this.home) {
      this.fled = session.url;
      await this.replace(session);
      await Promise.all(this.followed);
    } else if (this.others.get(session.url) === session) {
      this.others.delete(session.url);
    }
    await session.idle();
    session.leave();
    this.moving.delete(session);
  }

  // Another home than `session`. Where there is none, what is asked from now on waits for one.
  async replace(session) {
    for (const url of this.inTurn()) {
      const other = this.others.get(url);
      this.others.delete(url);
      try {
        this.settle(other ?? (await this.join(url, ATTEMPT)), session);
        return;
      } catch (problem) {
        this.trouble = problem;
      }
    }
    if (this.home === session) {
      this.home = null;
      this.onstate("lost");
      this.comeBack(0);
    }
  }

  // The routers, beginning after the one that was home last; those last that may be away, and not the one fled.
  inTurn() {
    const turned = [...this.routers.slice(this.turn), ...this.routers.slice(0, this.turn)];
    const absent = turned.filter((url) => this.left(url) && url !== this.fled);
    return [...turned.filter((url) => !this.left(url)), ...absent];
  }

  // Milliseconds for which a router is still to be left alone.
  left(url) {
    return Math.max(0, (this.absent.get(url) ?? 0) - performance.now());
  }

  lost(session, why) {
    if (session !== this.home && this.moving.has(session)) {
      return; // as it should be
    }
    this.trouble = why;
    if (session !== this.home) {
      this.others.delete(session.url);
      return;
    }
    this.home = null;
    this.onstate(this.closed ? "closed" : "lost");
    this.comeBack(performance.now() - this.since > STEADY ? 0 : 1);
  }

  // Each router once, beginning after the one that was home last; then again, after longer and longer pauses.
  async comeBack(rounds) {
    for (; !this.closed && !this.home; rounds++) {
      const longest = rounds && Math.min(LONGEST_PAUSE, 100 * 2 ** rounds);
      const rest = Math.max(longest * (0.5 + Math.random() / 2), this.inTurn().length ? 0 : this.left(this.fled));
      await new Promise((resolve) => setTimeout(resolve, rest));
      const failures = [];
      for (const url of this.inTurn()) {
        if (this.home || this.closed) {
          break;
        }
        const visited = this.others.get(url);
        this.others.delete(url);
        try {
          this.settle(visited ?? (await this.join(url, ATTEMPT)));
        } catch (problem) {
          failures.push(problem);
        }
      }
      this.trouble = failures.length ? together(failures) : this.trouble;
    }
  }

  // Whether a router that is not one of `without` may yet be joined; those who wait are told when it is, or is not.
  seek(without) {
    if (!this.home) {
      return true; // comeBack is at it
    }
    const now = performance.now();
    const away = (one) => this.down.get(one) > now || this.left(one);
    const url = this.routers.find((one) => !without.has(one) && one !== this.home.url && !away(one));
    if (url && !this.visits.has(url)) {
      this.visits.set(url, this.visit(url));
    }
    return url !== undefined;
  }

  async visit(url) {
    try {
      this.others.set(url, await this.join(url, ATTEMPT));
    } catch {
      this.down.set(url, performance.now() + AWAY);
    }
    this.visits.delete(url);
    this.changed();
  }

  changed() {
    const waiting = this.waiting;
    this.waiting = [];
    waiting.forEach((tell) => tell());
  }

  async follow(session, { topic, handler }) {
    const [, , number] = await session.ask(SUBSCRIBE, {}, topic);
    for (const former of this.moving) {
      former.forget(handler); // from now on it comes by this router
    }
    session.handlers.set(number, [...(session.handlers.get(number) ?? []), handler]);
  }
}

// Settles as `promise` does, or rejects with what `late()` says at `ends` (performance.now).
function within(promise, ends, late) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(late()), Math.max(0, ends - performance.now()));
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}

// What a RESULT carries, without the wrapping that one plain value does not need.
function value([, , , args = [], kwargs = {}]) {
  if (Object.keys(kwargs).length) {
    return { args, kwargs };
  }
  return args.length > 1 ? args : args[0] ?? null;
}

function address(router) {
  return /^wss?:/.test(router) ? router : `wss://${router}/ws`;
}

function together(failures) {
  const refused = failures.find((problem) => problem.kind === "refused");
  if (refused || failures.length === 1) {
    return refused ?? failures[0];
  }
  return new Failure("unavailable", `no router can be reached: ${failures.map((one) => one.message).join("; ")}`);
}

function settle(promise, success, error) {
  if (!success && !error) {
    return promise;
  }
  return promise.then(success, error ?? ((problem) => console.warn(problem.message)));
}
