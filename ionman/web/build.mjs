// Bundles source/ionman.js with what it needs into static/ionman.js, which the router serves: no network at run time.
import { build } from "esbuild";

await build({
  entryPoints: ["source/ionman.js"],
  outfile: "static/ionman.js",
  bundle: true,
  minify: true,
  format: "iife",
  globalName: "ionman",
  target: "es2022",
  legalComments: "eof",
  define: { global: "globalThis", "process.env": "{}" },
  // autobahn asks for Node's cbor; its author publishes the same for browsers. MessagePack is not spoken here.
  alias: { cbor: "cbor-web", msgpack5: "./source/msgpack.cjs" },
  // autobahn tries these and goes on without: when.js (the browser has promises), and a log file.
  external: ["when", "when/*", "fs"],
  logLevel: "warning",
});
