/** Fails when the built page is heavier than its budget (bytes after gzip). Run after `npm run build`. */
import { readFileSync, readdirSync } from "node:fs";
import { gzipSync } from "node:zlib";

const BUDGET = { js: 40 * 1024, css: 8 * 1024 };
const assets = new URL("../dist/assets/", import.meta.url);

for (const [kind, budget] of Object.entries(BUDGET)) {
  const files = readdirSync(assets).filter((name) => name.endsWith(`.${kind}`));
  const bytes = files.reduce((sum, name) => sum + gzipSync(readFileSync(new URL(name, assets))).length, 0);
  console.log(`${kind}: ${bytes} of ${budget} bytes`);
  if (files.length === 0 || bytes > budget) process.exitCode = 1;
}
