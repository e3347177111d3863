/* What a person waits for. Once it takes longer than a second, the page says what it is and for how long it has been asked for,
   and lets it be stopped; the server stops too, since nobody listens any more. It covers, so that nothing shifts. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const LATE_MS = 1000;
  const SECOND_MS = 1000;
  // In the order in which they became late.
  const late = new Set();
  let ticking = null;
  let focusedBefore = null;

  const line = document.createElement("div");
  const text = document.createElement("span");
  const time = document.createElement("span");
  const button = document.createElement("button");
  line.className = "waiting";
  line.setAttribute("role", "status");
  line.hidden = true;
  time.className = "waiting-time";
  // It changes every second, which nobody wants to hear.
  time.setAttribute("aria-hidden", "true");
  button.className = "waiting-stop";
  button.textContent = "Stop";
  button.setAttribute("aria-keyshortcuts", "Escape");
  const key = document.createElement("kbd");
  key.textContent = "Esc";
  key.setAttribute("aria-hidden", "true");
  line.append(text, time, button, key);

  /** Seconds as a person says them. */
  function tell(seconds) {
    const whole = Math.floor(seconds);
    return whole < 60 ? whole + " s" : Math.floor(whole / 60) + " min " + (whole % 60) + " s";
  }

  const newest = () => Array.from(late).pop();

  /* Below the field of the source, where no panel opens. */
  function place() {
    const field = document.querySelector(".source-form");
    line.style.left = (field ? field.getBoundingClientRect().left : 20) + "px";
  }

  function draw() {
    const shown = newest();
    if (shown) {
      place();
      text.textContent = "Waiting for " + shown.what;
      time.textContent = tell(shown.seconds());
      ticking = ticking || setInterval(draw, SECOND_MS);
    } else {
      clearInterval(ticking);
      ticking = null;
      giveFocusBack();
    }
    line.hidden = !shown;
  }

  function giveFocusBack() {
    if (line.contains(document.activeElement) && focusedBefore) {
      focusedBefore.focus();
    }
  }

  /* Something that is waited for. */
  class Waiting {
    constructor(what, comesFirst) {
      this.what = what;
      this.comesFirst = comesFirst;
      this.since = performance.now();
      this.stopping = new AbortController();
      this.stoppedAfter = null;
      this.timer = setTimeout(() => {
        late.add(this);
        draw();
      }, LATE_MS);
    }

    get signal() {
      return this.stopping.signal;
    }

    seconds() {
      return (performance.now() - this.since) / SECOND_MS;
    }

    /** Stop it as a person wishes: it then says after how long. */
    stop() {
      this.stoppedAfter = tell(this.seconds());
      this.stopping.abort();
      this.end();
    }

    /** Take it back, since something newer is asked for. */
    leave() {
      this.stopping.abort();
      this.end();
    }

    /** It is there, or nobody waits for it any more. */
    end() {
      clearTimeout(this.timer);
      if (late.delete(this)) {
        draw();
      }
    }
  }

  /**
   * Begin to wait for something, which then has to `end`; its `signal` says that it was stopped.
   * What comes first is stopped by Escape before anything is closed by it.
   */
  scope.waitFor = (what, comesFirst = false) => new Waiting(what, comesFirst);

  /** Stop what is waited for; whether there was anything. */
  scope.stopWaiting = function () {
    const shown = newest();
    if (shown) {
      shown.stop();
    }
    return Boolean(shown);
  };

  // A press of the mouse leaves the focus where it is; who comes by keys is brought back.
  button.addEventListener("mousedown", (event) => event.preventDefault());
  button.addEventListener("focus", (event) => {
    focusedBefore = event.relatedTarget;
  });
  button.addEventListener("click", scope.stopWaiting);

  // Before menus and fields hear of the key.
  window.addEventListener("keydown", (event) => {
    const shown = newest();
    if (event.key === "Escape" && shown && shown.comesFirst && !event.isComposing) {
      event.preventDefault();
      event.stopImmediatePropagation();
      scope.stopWaiting();
    }
  }, true);

  document.addEventListener("DOMContentLoaded", () => document.body.appendChild(line));
})();
