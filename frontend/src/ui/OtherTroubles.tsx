import { useApp } from "../app";
import { TroubleBox } from "./TroubleBox";

/** Errors whose row is gone, or never was. */
export function OtherTroubles() {
  const { troubles } = useApp();
  const shown = troubles.others.value;
  if (shown.length === 0) return null;
  return (
    <div class="troubles">
      {shown.map((trouble) => <TroubleBox key={trouble.id} trouble={trouble} onDismiss={() => troubles.dismiss(trouble.id)} />)}
    </div>
  );
}
