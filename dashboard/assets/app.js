/* The ground that the other scripts stand on; Dash loads assets in the order of their names. */
(function () {
  "use strict";
  const scope = (window.beamscope = {});

  /** Offer functions to Dash as clientside callbacks. */
  scope.offer = function (functions) {
    window.dash_clientside = window.dash_clientside || {};
    window.dash_clientside.beamscope = Object.assign(window.dash_clientside.beamscope || {}, functions);
  };

  /** The element with a role below a root. */
  scope.byRole = function (root, role) {
    return root.querySelector('[data-role="' + role + '"]');
  };

  /** Act on something once Dash has drawn it; a page without models never will. */
  scope.whenThere = function (find, act) {
    const found = find();
    if (found) {
      act(found);
    } else if (!document.querySelector(".empty-page")) {
      requestAnimationFrame(() => scope.whenThere(find, act));
    }
  };

  const bar = document.createElement("div");
  bar.className = "asking";
  let calls = 0;

  function count(change) {
    calls += change;
    bar.classList.toggle("shown", calls > 0);
  }

  const MOST_TRIES = 5;

  /** Wait for some seconds, or fail as `fetch` does where the signal ends it. */
  const pause = (seconds, signal) => new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, 1000 * seconds);
    signal?.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(signal.reason);
    });
  });

  /** The response to a question about a pane; a busy server is asked again when it says so, a few times. */
  async function ask(name, question, signal) {
    for (let tries = 1; ; tries += 1) {
      const response = await fetch("_pane/" + name, {
        method: "POST",
        headers: { "Content-Type": "application/json" },
        body: JSON.stringify(question),
        signal: signal,
      });
      const wait = Number(response.headers.get("Retry-After"));
      if (response.status !== 503 || !wait || tries === MOST_TRIES) {
        return response;
      }
      await pause(wait, signal);
    }
  }

  /* What a person waits for while a call is on its way. */
  const AWAITED = {
    attention: "attention",
    word: "near words",
    completions: "words that begin so",
    report: "the report",
    session: "the session",
  };
  /* Nothing else is done meanwhile. */
  const COMES_FIRST = new Set(["report", "session"]);

  /**
   * Ask the server about a pane; null if the call was aborted, or stopped by a person. An answer that never came is a notice.
   * A call is waited for on its own unless it is part of what is waited for already; a signal aborts it quietly.
   */
  scope.call = async function (name, question, { signal = null, waiting = null } = {}) {
    const own = waiting || scope.waitFor(AWAITED[name], COMES_FIRST.has(name));
    signal?.addEventListener("abort", () => own.leave());
    count(1);
    try {
      const response = await ask(name, question, own.signal);
      if (!response.ok) {
        const refusal = await response.json().catch(() => ({}));
        const text = refusal.error || "The server refused this (" + response.status + "). Reload the page.";
        return { notice: { kind: "error", text: text } };
      }
      return await response.json();
    } catch (error) {
      if (error.name === "AbortError") {
        return null;
      }
      return { notice: { kind: "error", text: "The server does not answer. Is it still running?" } };
    } finally {
      count(-1);
      if (own !== waiting) {
        own.end();
      }
    }
  };

  /** Act once the next frame is painted. */
  scope.afterPaint = (act) => requestAnimationFrame(() => requestAnimationFrame(act));

  /** Ask the server once the next frame is painted; until then the question counts as on its way. */
  scope.askAfterPaint = function (ask) {
    count(1);
    scope.afterPaint(() => {
      count(-1);
      ask();
    });
  };

  /** Whether anything is on its way to the server, or about to be. */
  scope.isAsking = () => calls > 0;

  document.addEventListener("DOMContentLoaded", () => document.body.appendChild(bar));
})();
