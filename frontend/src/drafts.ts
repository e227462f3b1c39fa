/** Text that was typed and not sent: it survives a sign-in in this tab, for the same person only. */

const DRAFT = "task-draft";

export interface Draft {
  name: string;
  description: string;
}

export class Drafts {
  constructor(private readonly storage: Storage) {}

  keep(subject: string, draft: Draft): void {
    if (draft.name === "" && draft.description === "") this.storage.removeItem(DRAFT);
    else this.storage.setItem(DRAFT, JSON.stringify({ subject, ...draft }));
  }

  of(subject: string): Draft | undefined {
    const kept = this.storage.getItem(DRAFT);
    if (kept === null) return undefined;
    const draft = JSON.parse(kept) as Draft & { subject: string };
    if (draft.subject === subject) return draft;
    this.storage.removeItem(DRAFT);
    return undefined;
  }
}
