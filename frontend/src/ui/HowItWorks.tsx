const STEPS = [
  ["Create a task", "Give it a name, and say what it is for."],
  ["Request an offline token", "Grant access once. The token stays in the vault; the task keeps only its id."],
  ["Execute it", "The vault hands out a fresh access token each time, even while you are away."],
] as const;

export function HowItWorks({ class: look = "" }: { class?: string }) {
  return (
    <section class={`card how ${look}`} aria-labelledby="how-title">
      <h2 id="how-title">How it works</h2>
      <ol>
        {STEPS.map(([title, text]) => (
          <li key={title}>
            <strong>{title}</strong>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
