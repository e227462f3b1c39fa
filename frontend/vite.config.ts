import { defineConfig } from "vitest/config";

import { texts } from "./scripts/texts.js";

// The page runs under a content security policy without inline code or data: scripts, so nothing is inlined and
// nothing is polyfilled. The browsers named here all know light-dark() and <dialog>.
export default defineConfig({
  plugins: [texts()],
  resolve: {
    alias: {
      "react/jsx-runtime": "preact/jsx-runtime", // virtua is written for React
      "react-dom": "preact/compat",
      react: "preact/compat",
    },
  },
  build: {
    target: "es2023",
    cssTarget: ["chrome123", "safari17.5", "firefox128"],
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: true,
  },
  test: {
    environment: "happy-dom",
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    server: { deps: { inline: ["virtua"] } },
  },
});
