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
  logLevel: "warning",
});
