// Builds the room's page into the Python package: index.html for `/<room>`, everything else under /assets/.
import { defineConfig } from "vite";
import { fileURLToPath } from "node:url";

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url));

export default defineConfig({
  root: path("packages/ui"),
  base: "/",
  define: { __RINGBACK_VERSION__: JSON.stringify("0.1.0") },
  build: {
    outDir: path("../src/ringback/web"),
    emptyOutDir: true,
    assetsDir: "assets",
    assetsInlineLimit: 0, // a strict content security policy has no data: URLs
    modulePreload: { polyfill: false },
    target: "es2022",
    sourcemap: false,
  },
  server: { proxy: { "/rtc": { target: "ws://127.0.0.1:7880", ws: true } } },
});
