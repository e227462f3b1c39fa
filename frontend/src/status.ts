/** The one sentence for screen readers (`role=status`): state changes, nothing else. */
import { signal } from "@preact/signals";

export class Status {
  readonly text = signal("");

  /** Replaces what was said before. Nothing to say leaves it standing. */
  say(...sentences: string[]): void {
    if (sentences.length > 0) this.text.value = sentences.join(". ");
  }
}
