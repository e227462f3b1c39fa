import { defineConfig } from "vitest/config";

import { texts } from "./scripts/texts.js";

// The page runs under a content security policy without inline code or data: scripts, so nothing is inlined and
// nothing is polyfilled. The browsers named here all know light-dark() and <dialog>.
/** Parts that are fetched later, each as one file: a file compresses better than its pieces. */
const LATER = [
  { name: "later", test: /src\/texts\/(later|en\.later)/ },
  { name: "access", test: /src\/(lanes\/|consent\/[A-Z]|access\/([A-Z]|words))/ },
  { name: "acts", test: /src\/(tasks\/(bulk|BulkDialog|CancelDialog|DeleteDialog|SelectionBar)|shell\/KeysDialog|ui\/useLoaded)/ },
  { name: "task", test: /src\/tasks\/(AccessField|Dependencies|DependencyGraph|DependsField|cronWords|graphLayout|KindFields|parameters|MoreFields|RetryFields|RunDetail|RunLog|Runs|Schedule|ScheduleFields|TaskPage|runs)\./ },
];
/** What the first view shares with them. */
const BASE = { name: "base", priority: 1, minShareCount: 2, test: (id: string) => !LATER.some(({ test }) => test.test(id)) };

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
    rolldownOptions: { output: { advancedChunks: { includeDependenciesRecursively: false, groups: [...LATER, BASE] } } },
  },
  test: {
    environment: "happy-dom",
    isolate: false, // happy-dom is loaded once, not once a file; `vitest run --sequence.shuffle.files` shows that no file minds
    include: ["tests/**/*.test.{ts,tsx}"],
    restoreMocks: true,
    server: { deps: { inline: ["virtua"] } },
  },
});
