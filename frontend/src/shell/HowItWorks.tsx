import { t } from "../texts";

const STEPS = ["create", "grant", "execute"] as const;

export function HowItWorks({ class: look = "" }: { class?: string }) {
  return (
    <section class={`how ${look}`} aria-labelledby="how-title">
      <h2 id="how-title">{t("how.title")}</h2>
      <ol>
        {STEPS.map((step) => (
          <li key={step}>
            <strong>{t(`how.${step}`)}</strong>
            <span>{t(`how.${step}.text`)}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
