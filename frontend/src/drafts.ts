/** Text that was typed and not sent: it survives a sign-in in this tab, for the same person only. */
import { kept } from "./browser";

const DRAFT = "task-draft";

/** What stands in the fields of the form, by their names. */
export type Draft = Readonly<Record<string, string>>;

export class Drafts {
  constructor(private readonly storage: Storage) {}

  keep(subject: string, draft: Draft): void {
    if (Object.values(draft).every((text) => text === "")) this.storage.removeItem(DRAFT);
    else this.storage.setItem(DRAFT, JSON.stringify({ subject, draft }));
  }

  of(subject: string): Draft | undefined {
    const known = kept(this.storage, DRAFT, { subject: "", draft: {} }) as { subject: string; draft: Draft } | undefined;
    if (known?.subject === subject) return known.draft;
    this.storage.removeItem(DRAFT);
    return undefined;
  }
}
