// WAMP-SCRAM with argon2id, the browser's side (RFC 5802; autobahn-python's wamp/auth.py, AuthScram). The autobahn
// package of npm has no scram. Everything but argon2id is the browser's own cryptography.
import { argon2id } from "@noble/hashes/argon2.js";

const MOST_PASSES = 64;
const MOST_MEMORY_KIB = 262144; // a router that is not ours must not be able to stall the page

const text = new TextEncoder();
const encode = (bytes) => btoa(String.fromCharCode(...bytes));
const decode = (base64) => Uint8Array.from(atob(base64), (letter) => letter.charCodeAt(0));

async function mac(key, message) {
  const imported = await crypto.subtle.importKey("raw", key, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  return new Uint8Array(await crypto.subtle.sign("HMAC", imported, message));
}

// One login: what HELLO says, the answer to the challenge, and whether the router knew the password too.
export class Scram {
  constructor(user, password) {
    this.user = user;
    this.password = password;
    this.nonce = encode(crypto.getRandomValues(new Uint8Array(16)));
    this.expected = null;
  }

  extra() {
    return { nonce: this.nonce };
  }

  async answer({ nonce, salt, iterations, memory, kdf }) {
    if (kdf !== "argon2id-13" || !(iterations <= MOST_PASSES) || !(memory <= MOST_MEMORY_KIB)) {
      throw new Error("the router asks for an unknown or unreasonable scram computation");
    }
    const hash = argon2id(text.encode(this.password), decode(salt), { t: iterations, m: memory, p: 1, dkLen: 32 });
    const salted = text.encode(encode(hash).replace(/=+$/, ""));
    const message = text.encode(
      `n=${this.user},r=${this.nonce},r=${nonce},s=${salt},i=${iterations},c=,r=${nonce}`,
    );
    const clientKey = await mac(salted, text.encode("Client Key"));
    const storedKey = new Uint8Array(await crypto.subtle.digest("SHA-256", clientKey));
    const signature = await mac(storedKey, message);
    this.expected = encode(await mac(await mac(salted, text.encode("Server Key")), message));
    return encode(clientKey.map((byte, index) => byte ^ signature[index]));
  }

  accepts(extra) {
    return this.expected !== null && extra?.scram_server_signature === this.expected;
  }
}
