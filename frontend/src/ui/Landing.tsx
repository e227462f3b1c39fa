import { useApp } from "../app";
import { Button } from "./Button";
import { HowItWorks } from "./HowItWorks";
import { Logo } from "./icons";

/** For everybody who is not signed in. */
export function Landing({ notice }: { notice: string | undefined }) {
  const { auth } = useApp();
  return (
    <main class="landing" id="main">
      <div class="hero">
        <Logo />
        <h1>Task Manager</h1>
        <p>Tasks that go on working for you while you are away – with a token that never leaves the vault.</p>
        {notice !== undefined && <p class="notice" role="alert">{notice}</p>}
        <Button look="glass" onClick={() => void auth.signIn()}>Sign in</Button>
      </div>
      <HowItWorks class="how--wide" />
    </main>
  );
}
