// The built page in a real Chromium, against a signalling server of our own. Needs `npm run build` first.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    include: ["packages/ui/e2e/**/*.test.ts"],
    environment: "node",
    testTimeout: 60_000,
    hookTimeout: 60_000,
    fileParallelism: false,
  },
});
