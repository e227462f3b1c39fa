/** The page as it is rendered: names, roles and what the buttons do. */
import { render } from "preact";
import { act } from "preact/test-utils";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";

import type { Task } from "../src/api/types";
import { createApp, type App } from "../src/app";
import { ServerClock } from "../src/clock";
import { navigate } from "../src/navigation";
import { Root } from "../src/shell/Root";
import { speak } from "../src/texts";
import { FakeBrowser, ISSUER, json, task } from "./stand-ins";

let app: App;
let root: HTMLElement;
let created: unknown[];

beforeEach(async () => {
  created = [];
  history.replaceState(null, "", "/tasks");
  root = document.body.appendChild(document.createElement("div"));
  const browser = new FakeBrowser(async (input) => {
    created.push(JSON.parse((await (input as Request).text()) || "null"));
    return json(422, {
      title: "Invalid", status: 422, code: "invalid_input", errors: [{ pointer: "/name", detail: "Too long." }],
    });
  });
  app = createApp({ issuer: new URL(ISSUER), clientId: "task-ui" }, browser, new ServerClock(browser.now));
  app.auth.accessToken = () => Promise.resolve("token");
  app.auth.session.value = { kind: "signedIn", name: "Alice Archer", subject: "alice" };
  await act(() => render(<Root app={app} />, root));
});

afterEach(() => {
  render(null, root);
  root.remove();
});

const one = (selector: string) => {
  const found = root.querySelector<HTMLElement>(selector);
  if (found === null) throw new Error(`nothing matches ${selector}`);
  return found;
};
const show = (...tasks: Task[]) => act(() => void (app.store.rows.value = tasks));
const buttons = (within: HTMLElement) => [...within.querySelectorAll("button")].map((button) => button.textContent);

describe("the list", () => {
  it("shows skeletons before the first answer only", async () => {
    expect(root.querySelectorAll(".skeleton")).not.toHaveLength(0);
    await show();
    expect(root.querySelectorAll(".skeleton")).toHaveLength(0);
    expect(root.textContent).toContain("No tasks yet");
  });

  it("gives each task an article with its id, name and one action", async () => {
    await show(task({ id: "task-7", name: "Report" }));
    const card = one('article[data-task-id="task-7"]');
    expect(card.querySelector("h2")?.textContent).toBe("Report");
    expect(buttons(card)).toEqual(["Report", "🔐 Request Offline Token", ""]);
    expect(card.querySelector("[aria-label='Delete Report']")).not.toBeNull();
  });

  it("offers the execution with an active token", async () => {
    await show(task({ offlineTokenStatus: "active", persistentTokenId: "p1" }));
    expect(buttons(one("article"))).toEqual(["Data Processing", "▶️ Execute Task", ""]);
  });

  it("tells progress to everybody", async () => {
    await show(task({ status: "running", progress: 40 }));
    const bar = one("[role=progressbar]");
    expect(bar.getAttribute("aria-valuenow")).toBe("40");
    expect(bar.getAttribute("aria-label")).toBe("Progress of Data Processing");
    expect(one("article").textContent).toContain("40%");
  });

  it("shows how the last runs ended, the latest on the right, in words too", async () => {
    await show(task({ status: "failed", lastRuns: ["failed", "completed", "completed"] }), task({ id: "task-2", lastRuns: ["completed"] }));
    const [strip, ...others] = root.querySelectorAll(".run-strip");
    expect(strip?.getAttribute("aria-label")).toBe("The last 3 runs: Completed: 2, Failed: 1");
    expect([...(strip?.children ?? [])].map((bar) => bar.getAttribute("title"))).toEqual(["Completed", "Completed", "Failed"]);
    expect(others).toHaveLength(0); // one run is told by the badge
  });

  it("renders what people wrote as text", async () => {
    await show(task({ name: "<img src=x onerror=alert(1)>", result: "<b>done</b>", status: "completed" }));
    expect(root.querySelector("img, b")).toBeNull();
    expect(root.textContent).toContain("<b>done</b>");
  });
});

describe("the form", () => {
  const submit = () => act(() => void one("form").dispatchEvent(new Event("submit", { cancelable: true, bubbles: true })));

  it("asks for a name and sends nothing without one", async () => {
    await submit();
    expect(one("[role=alert]").textContent).toBe("Give the task a name.");
    expect(one("[name=name]").getAttribute("aria-invalid")).toBe("true");
    expect(created).toEqual([]);
  });

  it("sends a task once when it is submitted twice before the page is rendered again", async () => {
    (one("[name=name]") as HTMLInputElement).value = "Once";
    await act(() => {
      for (let times = 0; times < 2; times += 1) one("form").dispatchEvent(new Event("submit", { cancelable: true, bubbles: true }));
    });
    await expect.poll(() => root.querySelector("#name-error")?.textContent).toBe("Too long.");
    expect(created).toHaveLength(1);
  });

  it("shows the server's objection at the field and keeps what was written", async () => {
    const name = one("[name=name]") as HTMLInputElement;
    name.value = " A name ";
    await submit();
    await expect.poll(() => root.querySelector("#name-error")?.textContent).toBe("Too long.");
    expect(created).toEqual([{ name: "A name", description: "" }]);
    expect(name.value).toBe(" A name ");
  });
});

describe("messages", () => {
  it("of an error stand in the row of its task, with the request id, until dismissed", async () => {
    await show(task());
    await act(() => app.troubles.set("task-1", { title: "Trouble", requestId: "r-1" }));
    expect(one("article [data-trouble]").textContent).toContain("r-1");
    await act(() => one("[aria-label='Dismiss: Trouble']").click());
    expect(root.querySelector("[data-trouble]")).toBeNull();
  });

  it("are spoken by exactly one status line", async () => {
    await act(() => app.status.say("Data Processing completed"));
    expect(root.querySelectorAll("[role=status]")).toHaveLength(1);
    expect(one("[role=status]").textContent).toBe("Data Processing completed");
  });
});

describe("a session that ends", () => {
  it("leaves the page and what was typed where they are, under a dialog", async () => {
    await show(task({ name: "Report" }));
    const name = one("[name=name]") as HTMLInputElement;
    name.value = "Half a na";
    await act(() => app.auth.end());
    expect(one("dialog").textContent).toContain("Your session has ended");
    expect(root.querySelector("[name=name]")).toBe(name);
    expect(name.value).toBe("Half a na");
    expect(one("article h2").textContent).toBe("Report");
  });

  it("shows nothing of the tasks once the person leaves", async () => {
    await show(task());
    await act(() => app.auth.end());
    await act(() => app.auth.leave());
    expect(buttons(root)).toEqual(["Sign in"]);
    expect(root.querySelector("article")).toBeNull();
  });
});

describe("a fault while something is shown", () => {
  it("stays within it: the bar is there, and another page is shown", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await show(task({ lastRuns: { length: 2 } as unknown as [] }));
    expect(one("[data-no-page=broken] h1").textContent).toBe("This part of the page can't be shown");
    expect(one(".bar").textContent).toContain("Tasks");
    await act(() => navigate("/nowhere"));
    expect(one("h1").textContent).toBe("There is no such page");
    expect(root.querySelector("[data-no-page]")).toBeNull();
  });
});

describe("another language", () => {
  it("changes every text at once", async () => {
    await show(task());
    await act(() => speak("de"));
    expect(one("h1").textContent).toBe("Deine Aufgaben");
    expect(one("article").textContent).toContain("Ausstehend");
    await act(() => speak("en"));
    expect(one("h1").textContent).toBe("Your tasks");
  });
});
