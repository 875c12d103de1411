// ionman.js: calls from a browser to services behind a router, over one WebSocket that stays open.
//
//   const client = await ionman.connect({ user: "alice", password: "..." });
//   client.call("app.demo.method1", { dummy: "none required" }, (data) => console.log(data.status, data.result));
//
// A failure is an `ionman.Failure`: its `kind` is "refused", "unavailable", "late" or "wamp".
import autobahn from "autobahn";
import { Scram } from "./scram.js";

const REFUSED = /authenti|authoriz|no_such_(principal|role|realm)|auth_method/;
const LONGEST_PAUSE = 5000; // milliseconds between two attempts to come back

export class Failure extends Error {
  constructor(kind, message, uri = null) {
    super(message);
    this.name = "Failure";
    this.kind = kind;
    this.uri = uri;
  }
}

let current = null;

// Log in and resolve to a Client. Options: user, password; url (default: the router that served the page), realm
// (default: "ionman"), timeout in milliseconds for each call (default: 30000), onstate(state) with "open", "lost", "closed".
export async function connect(options) {
  const client = new Client(options);
  await client.open();
  current = client;
  return client;
}

// Call on the connection made last: see Client.call.
export function call(topic, params, success, error) {
  if (current === null) {
    return settle(Promise.reject(new Failure("unavailable", "not connected: call ionman.connect first")), success, error);
  }
  return current.call(topic, params, success, error);
}

export class Client {
  constructor({ user, password, url = here(), realm = "ionman", timeout = 30000, onstate = () => {} }) {
    Object.assign(this, { user, url, realm, timeout, onstate });
    this.password = password;
    this.session = null;
    this.subscriptions = new Map();
    this.closed = false;
    this.attempt = 0;
  }

  // Connect and log in once; rejects with a Failure that says why not.
  open() {
    return new Promise((resolve, reject) => {
      const scram = new Scram(this.user, this.password);
      const connection = new autobahn.Connection({
        url: this.url,
        realm: this.realm,
        authid: this.user,
        authmethods: ["scram"],
        authextra: scram.extra(),
        onchallenge: (session, method, extra) => scram.answer(extra),
        serializers: [new autobahn.serializer.CBORSerializer()],
        max_retries: 0, // the nonce is for one login: coming back is done here
        retry_if_unreachable: false,
      });
      connection.onopen = (session, details) => {
        if (!scram.accepts(details.authextra)) {
          connection.close();
          reject(new Failure("refused", "the router could not prove that it knows the password"));
          return;
        }
        this.joined(connection, session);
        resolve(this);
        this.onstate("open");
      };
      connection.onclose = (reason, details) => {
        reject(trouble(reason, details));
        this.lost(connection);
        return true;
      };
      connection.open();
    });
  }

  // Call `topic` with `params`. With `success` (and `error`) they are called with the answer (or the Failure);
  // without, the promise that is returned settles so.
  call(topic, params = {}, success, error) {
    return settle(this.answer(topic, params), success, error);
  }

  async answer(topic, params) {
    if (this.session === null) {
      throw new Failure("unavailable", "the connection to the router is lost");
    }
    let timer;
    const late = new Promise((resolve, reject) => {
      timer = setTimeout(() => reject(new Failure("late", `${topic} did not answer in time`)), this.timeout);
    });
    try {
      return await Promise.race([this.session.call(topic, [params]), late]);
    } catch (problem) {
      throw problem instanceof Failure ? problem : answered(problem);
    } finally {
      clearTimeout(timer);
    }
  }

  // Call `handler(data)` for every event of `topic`, also after the connection came back.
  async subscribe(topic, handler) {
    this.subscriptions.set(topic, handler);
    await this.session?.subscribe(topic, ([data]) => handler(data));
  }

  // Publish `data` to everybody who subscribed `topic`, this client too; resolves when the router has taken it.
  async publish(topic, data) {
    if (this.session === null) {
      throw new Failure("unavailable", "the connection to the router is lost");
    }
    try {
      await this.session.publish(topic, [data], {}, { acknowledge: true, exclude_me: false });
    } catch (problem) {
      throw answered(problem);
    }
  }

  close() {
    this.closed = true;
    this.connection?.close();
  }

  joined(connection, session) {
    this.connection = connection;
    this.session = session;
    this.attempt = 0;
    for (const [topic, handler] of this.subscriptions) {
      session.subscribe(topic, ([data]) => handler(data));
    }
  }

  lost(connection) {
    if (this.connection !== connection) {
      return; // it never was open: who asked for it has been told
    }
    this.session = null;
    this.connection = null;
    this.onstate(this.closed ? "closed" : "lost");
    this.comeBack();
  }

  comeBack() {
    if (this.closed) {
      return;
    }
    const pause = Math.min(LONGEST_PAUSE, 250 * 2 ** this.attempt++) * (0.5 + Math.random() / 2);
    setTimeout(() => this.closed || this.open().catch(() => this.comeBack()), pause);
  }
}

function here() {
  return `wss://${location.host}/ws`;
}

function settle(promise, success, error) {
  if (!success && !error) {
    return promise;
  }
  return promise.then(success, error ?? ((problem) => console.warn(problem.message)));
}

function trouble(reason, details) {
  if (details.reason && REFUSED.test(details.reason)) {
    return new Failure("refused", details.message || details.reason, details.reason);
  }
  if (reason === "unreachable") {
    return new Failure("unavailable", "the router cannot be reached");
  }
  return new Failure("unavailable", details.message || details.reason || "the connection was closed", details.reason);
}

function answered(problem) {
  const uri = problem.error ?? null;
  const said = problem.args?.length ? problem.args.join(" ") : String(problem.message ?? uri ?? problem);
  return new Failure(REFUSED.test(uri ?? "") ? "refused" : "wamp", said, uri);
}
