/**
 * A Vite plugin: compiles the ICU messages of `src/texts/*.json` (lingui's format), so that no message parser is sent to
 * the browser. Fails the build at a message that cannot be parsed.
 */
import { compileMessage } from "@lingui/message-utils/compileMessage";

export function texts() {
  return {
    name: "texts",
    enforce: "pre",
    transform(source, id) {
      if (!/\/src\/texts\/[\w.]+\.json$/.test(id)) return null;
      const compiled = Object.entries(JSON.parse(source)).map(([key, text]) => [key, compileMessage(text)]);
      return { code: JSON.stringify(Object.fromEntries(compiled)), map: null };
    },
  };
}
