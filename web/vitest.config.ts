import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { __RINGBACK_VERSION__: JSON.stringify("0.1.0") },
  test: { include: ["packages/*/test/**/*.test.ts"], environment: "node", pool: "threads", maxWorkers: 2 },
});
