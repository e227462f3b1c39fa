/** The person's offline grants, as the vault lists them. */
import type { Api } from "../api/client";
import type { Grant } from "../api/types";
import { Collection } from "../data/collection";

/** Milliseconds between two requests while no page shows grants: enough for the number in the bar. */
const SELDOM = 15_000;

export class GrantStore extends Collection<Grant> {
  constructor(api: Pick<Api, "listGrants">, page: Document = document) {
    const load = async (_: string | undefined, aborted: AbortSignal) => {
      const { data, etag } = await api.listGrants(aborted);
      return { data: data?.tokens, etag };
    };
    super({ load, key: (grant) => grant.persistentTokenId, seldom: SELDOM }, page);
  }
}
