/** Fails when the built page is heavier than its budget (bytes after gzip). Run after `npm run build`. */
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = { "initial js": 60 * 1024, "all js": 104 * 1024, css: 12 * 1024 };
const dist = new URL("../dist/", import.meta.url);
const page = readFileSync(new URL("index.html", dist), "utf8");
const files = readdirSync(new URL("assets/", dist));

const weigh = (chosen) => chosen.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(`assets/${name}`, dist))).length, 0);
const scripts = files.filter((name) => name.endsWith(".js"));
const weights = {
  "initial js": weigh(scripts.filter((name) => page.includes(name))),
  "all js": weigh(scripts),
  css: weigh(files.filter((name) => name.endsWith(".css"))),
};

for (const [kind, bytes] of Object.entries(weights)) {
  console.log(`${kind}: ${bytes} of ${BUDGET[kind]} bytes`);
  if (bytes === 0 || bytes > BUDGET[kind]) process.exitCode = 1;
}
