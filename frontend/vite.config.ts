import { defineConfig } from "vitest/config";

// The page runs under a content security policy without inline code or data: scripts, so nothing is inlined and
// nothing is polyfilled. The browsers named here all know light-dark() and <dialog>.
export default defineConfig({
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
  },
});
