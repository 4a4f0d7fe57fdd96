// Compares the SDK's public declarations with the checked-in report, so that a change of the surface is seen in review.
// `npm run api:update` writes the report anew.
import { readFileSync, writeFileSync } from "node:fs";

const HERE = new URL("../packages/sdk/", import.meta.url);
const REPORT = new URL("api-report.d.ts", HERE);
const PUBLIC = ["index", "call", "call-core", "events", "types"];

const text = PUBLIC.map((name) => {
  const declarations = readFileSync(new URL(`dist/types/${name}.d.ts`, HERE), "utf8");
  const visible = declarations
    .split("\n")
    .filter((line) => !/^\s*(private|protected) /.test(line))
    .join("\n");
  return `// ── ${name} ──\n${visible.trim()}\n`;
}).join("\n");

if (process.argv.includes("--update")) {
  writeFileSync(REPORT, text);
} else if (readFileSync(REPORT, "utf8") !== text) {
  console.error("The SDK's public surface changed. If that is meant: npm run api:update, and commit the report.");
  process.exit(1);
}
