/* Keyboard: shortcuts for the page, arrows within the words and the top k. */
(function () {
  "use strict";
  const scope = window.beamscope;

  /* While an answer is on its way the buttons do not know yet what there will be to undo. */
  function travel(verb) {
    const pane = scope.active();
    if (pane.asking || !scope.byRole(document, "header-" + verb).disabled) {
      pane.wish({ verb: verb });
    }
  }

  function toggleMode() {
    const pane = scope.active();
    pane.setMode(pane.options.mode === "attention" ? "words" : "attention");
  }

  function focusSource() {
    const field = scope.sourceField();
    field.focus();
    field.select();
  }

  const LAYERS = ["closeWordMenu", "closePanels", "restoreCard", "closeWelcome", "closeHistory", "stopWaiting"];

  function letGo() {
    const pane = scope.active();
    if (LAYERS.some((name) => scope[name]())) {
      return;
    }
    if (pane.selection) {
      scope.select(pane, null);
    } else if (pane.options.mode === "attention") {
      pane.setMode("words");
    } else if (pane.state && pane.state.pinned) {
      pane.wish({ verb: "unpin" });
    }
  }

  /* The moment of the history that has the focus, else the shown answer. */
  function pin() {
    const moment = document.activeElement.closest("[data-moment]");
    const pane = scope.active();
    pane.wish({ verb: "pin", state: moment ? pane.past.moments[Number(moment.dataset.moment)].state : null });
  }

  function swap() {
    if (scope.active().state && scope.active().state.pinned) {
      scope.active().wish({ verb: "swap" });
    }
  }

  const SHORTCUTS = {
    "/": focusSource,
    a: toggleMode,
    p: pin,
    s: swap,
    e: () => scope.openWordMenu(scope.active()),
    E: () => scope.editText(scope.active(), "target"),
    f: () => scope.toggleCard(),
    h: () => scope.toggleHistory(),
    u: () => travel("undo"),
    r: () => travel("redo"),
    x: () => scope.byRole(document, "header-export").querySelector(".disclose").click(),
    t: () => scope.byRole(document, "header-theme").click(),
    "?": () => scope.byRole(document, "header-help").querySelector(".disclose").click(),
    Escape: letGo,
  };

  function step(event, items) {
    const here = items.indexOf(event.target);
    const next = items[here + (event.key === "ArrowRight" || event.key === "ArrowDown" ? 1 : -1)];
    if (next) {
      next.focus();
      next.scrollIntoView({ block: "nearest", inline: "nearest" });
    }
    event.preventDefault();
  }

  /* Left and right along a row of words or across the columns of the top k, up and down within a column. */
  function walk(event) {
    const row = event.target.closest(".words, .history-strip, .stages");
    const column = event.target.closest(".top-column");
    const sideways = event.key === "ArrowLeft" || event.key === "ArrowRight";
    const list = event.target.closest(".word-list");
    if (list) {
      step(event, Array.from(list.querySelectorAll("button")));
    } else if (row && sideways) {
      step(event, Array.from(row.querySelectorAll("button")));
    } else if (column && !sideways) {
      step(event, Array.from(column.children));
    } else if (column) {
      const rank = Array.from(column.children).indexOf(event.target);
      step(event, Array.from(column.parentElement.children).map((other) => other.children[rank]));
    }
  }

  const ROWS = ".words, .top-k, .history-strip, .word-list";

  /** One stop of the Tab key a row of words, history or top k: the word that had the focus last, else the first. */
  scope.oneStop = function (row) {
    if (!row.matches(ROWS)) {
      return;
    }
    const buttons = Array.from(row.querySelectorAll("button"));
    const stop = buttons.find((button) => button.tabIndex === 0 && button.dataset.stop) || buttons[0];
    buttons.forEach((button) => setStop(button, button === stop));
  };

  function setStop(button, stops) {
    button.tabIndex = stops ? 0 : -1;
    if (stops) {
      button.dataset.stop = "yes";
    } else {
      delete button.dataset.stop;
    }
  }

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest(ROWS);
    if (row) {
      row.querySelectorAll("button").forEach((button) => setStop(button, button === event.target));
    }
  });

  document.addEventListener("keydown", (event) => {
    const typing = event.target.closest("input:not([type=range], [type=radio], [readonly]), textarea, select");
    if (event.key === "Escape" && typing) {
      typing.blur();
      if (typing.closest(".popover")) {
        scope.closePanels();
      }
      return;
    }
    // A page without models has no pane, and nothing that keys could do.
    if (typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !scope.active()) {
      return;
    }
    if (event.key.startsWith("Arrow")) {
      walk(event);
    } else if (/^[1-5]$/.test(event.key)) {
      document.querySelector('[data-stage="' + event.key + '"]')?.click();
    } else if (SHORTCUTS[event.key]) {
      event.preventDefault();
      SHORTCUTS[event.key]();
    }
  });
})();
