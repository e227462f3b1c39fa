import { t } from "../texts/later";
import { Time } from "../ui/Time";
import type { Access } from "./view";

/** When a grant ends, as far as that is known; what nobody has answered has not begun, and what is over has no end to come. */
export function End({ access: { grant, end } }: { access: Access }) {
  if (grant.status !== "active") return <>—</>;
  return end === undefined ? <>{t("access.endUnknown")}</> : <Time at={new Date(end).toISOString()} />;
}
