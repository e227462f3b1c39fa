/** Text that was typed and not sent: it survives a sign-in in this tab, for the same person only. */

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
    const kept = this.storage.getItem(DRAFT);
    if (kept === null) return undefined;
    const { subject: owner, draft } = JSON.parse(kept) as { subject: string; draft?: Draft };
    if (owner === subject) return draft;
    this.storage.removeItem(DRAFT);
    return undefined;
  }
}
