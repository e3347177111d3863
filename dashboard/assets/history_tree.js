/* The drawer of the history: the whole tree, a row a moment, with names, notes and stars. The rows are text, so that
   the drawing is its own text twin; the lines beside them say nothing that a level does not say. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const DEEPEST = 16;
  let removed = null;

  const drawer = () => scope.byRole(document, "history-drawer");
  const tree = () => scope.byRole(document, "history-tree");

  /** Whether the drawer is open. */
  scope.isHistoryOpen = () => Boolean(drawer()) && !drawer().hidden;

  function span(name, children, more) {
    return ["span", Object.assign({ class: name }, more), children];
  }

  /* One cell a lane: the lines that pass, and in the last one the dot, with the curve where a branch begins. */
  function lanes(row) {
    const lane = Math.min(row.lane, DEEPEST);
    const cells = [];
    for (let place = 0; place < lane; place += 1) {
      cells.push(span(row.passing.includes(place) ? "lane through" : "lane", []));
    }
    const above = row.first ? (row.lane ? " curved" : "") : " above";
    cells.push(span("lane own" + above + (row.last ? "" : " below"), [span("dot", [])]));
    return span("lanes", cells, { "aria-hidden": "true" });
  }

  function act(name, text, title) {
    return ["button", { class: "quiet", "data-act": name, title: title, tabindex: "-1" }, [text]];
  }

  function star(moment) {
    const title = moment.star ? "Take the star away (*)" : "Star (*)";
    const look = moment.star ? "star given" : "star";
    return ["button", { class: look, "data-act": "star", title: title, "aria-pressed": String(moment.star), tabindex: "-1" },
      [moment.star ? "★" : "☆"]];
  }

  function acts(canGo) {
    return span("acts", [
      act("pin", "Pin", "Compare others with it: then click another one (p)"),
      act("name", "Name", "Name it (F2)"),
      act("note", "Note", "Write a note (n)"),
      ...(canGo ? [act("remove", "Delete", "Delete it and what follows from it (Delete)")] : []),
    ]);
  }

  function words(moment) {
    const changed = moment.name ? [span("change", [moment.label])] : [];
    return span("what", [span("name", [scope.nameOf(moment)]), ...changed, span("said", [moment.text || ""])]);
  }

  function numbers(past, index) {
    const { score } = past.moments[index];
    const gain = scope.writeGain(scope.past.gain(past, index));
    const written = score === null || score === undefined ? "" : score.toFixed(2).replace("-", "−");
    return [span("gain", [gain]), span("score", [written === "−0.00" ? "0.00" : written])];
  }

  function depths(past) {
    const found = [];
    past.moments.forEach((moment) => found.push(moment.parent === null ? 1 : found[moment.parent] + 1));
    return found;
  }

  function drawRow(pane, row, depth) {
    const past = pane.past;
    const moment = past.moments[row.index];
    const here = row.index === past.current;
    const attributes = {
      class: "node" + scope.lookOf(pane, row.index),
      role: "treeitem",
      "aria-level": String(depth),
      "aria-current": here ? "true" : "false",
      "aria-selected": here ? "true" : "false",
      "data-moment": String(row.index),
      tabindex: here ? "0" : "-1",
    };
    const note = moment.note ? [span("note-text", [moment.note])] : [];
    const inner = [star(moment), words(moment), acts(past.moments.length > 1), ...numbers(past, row.index), ...note];
    return ["div", attributes, [lanes(row), span("cells", inner)]];
  }

  function say(pane) {
    const count = pane.past.moments.length;
    scope.byRole(document, "history-title").textContent = pane.title || "History as a tree";
    const roots = pane.past.moments.filter((moment) => moment.parent === null).length;
    const ends = scope.past.rows(pane.past).filter((row) => row.last).length;
    const branches = ends > roots ? ", " + ends + " branches" : "";
    scope.byRole(document, "history-count").textContent =
      count + (count === 1 ? " answer" : " answers") + branches + " · score a token, and its change";
    const back = scope.byRole(document, "history-restore");
    back.hidden = !removed;
    back.textContent = removed ? "Bring back " + removed.count + " deleted" : "";
  }

  /** Draw the tree where the drawer is open. */
  scope.drawHistoryTree = function (pane) {
    const place = tree();
    if (!scope.isHistoryOpen() || !pane.find("history-tree")) {
      return;
    }
    const focused = place.contains(document.activeElement);
    const levels = depths(pane.past);
    scope.draw(place, scope.past.rows(pane.past).map((row) => drawRow(pane, row, levels[row.index])));
    say(pane);
    if (!focused) {
      reveal(place.querySelector(".here"));
    }
  };

  function reveal(row) {
    if (row) {
      row.scrollIntoView({ block: "nearest" });
    }
  }

  /** Open or close the drawer. */
  scope.toggleHistory = function () {
    const toggle = scope.byRole(document, "history-toggle");
    const open = drawer().hidden;
    drawer().hidden = !open;
    scope.drawGuide(scope.active());
    toggle.setAttribute("aria-expanded", String(open));
    if (open) {
      scope.drawHistoryTree(scope.active());
      const here = tree().querySelector(".here") || tree().firstElementChild;
      reveal(here);
      here?.focus({ preventScroll: true });
    } else {
      toggle.focus();
    }
  };

  /** Close the drawer; whether it was open. */
  scope.closeHistory = function () {
    const was = scope.isHistoryOpen();
    if (was) {
      scope.toggleHistory();
    }
    return was;
  };

  /* Another history of the pane: nothing is asked of the server. */
  function change(pane, past) {
    pane.past = past;
    scope.drawHistory(pane);
  }

  function edit(pane, index, field) {
    const row = tree().querySelector('[data-moment="' + index + '"]');
    const place = row.querySelector(".cells").getBoundingClientRect();
    const frame = drawer().getBoundingClientRect();
    const input = document.createElement(field === "note" ? "textarea" : "input");
    input.className = "inscribe for-" + field;
    input.value = pane.past.moments[index][field];
    input.maxLength = Number(tree().dataset[field]);
    input.placeholder = field === "note" ? "Note; Ctrl+Enter keeps it" : "Name; Enter keeps it";
    input.setAttribute("aria-label", (field === "note" ? "Note on " : "Name of ") + scope.nameOf(pane.past.moments[index]));
    input.style.left = place.left - frame.left + "px";
    input.style.top = Math.min(place.top - frame.top, frame.height - (field === "note" ? 96 : 38)) + "px";
    input.style.width = Math.min(place.width, 560) + "px";
    drawer().append(input);
    input.focus();
    input.select();
    finish(pane, index, field, input, row);
  }

  /* Leaving the field keeps what was typed; Escape does not. */
  function finish(pane, index, field, input, row) {
    let kept = false;
    const close = (keeps) => {
      if (!kept) {
        kept = true;
        const text = input.value.trim();
        input.remove();
        if (keeps && text !== pane.past.moments[index][field]) {
          change(pane, scope.past.replaced(pane.past, index, { [field]: text }));
        }
      }
    };
    input.addEventListener("blur", () => close(true));
    input.addEventListener("keydown", (event) => {
      const done = event.key === "Enter" && (field === "name" || event.ctrlKey || event.metaKey);
      if (done || event.key === "Escape") {
        event.preventDefault();
        event.stopPropagation();
        close(done);
        row.focus();
      }
    });
  }

  function remove(pane, index) {
    const before = pane.past;
    const after = scope.past.withoutBranch(before, index);
    if (!after) {
      scope.notify("info", "This is all there is of the history; nothing was deleted.");
      return;
    }
    removed = { past: before, count: before.moments.length - after.moments.length, left: after };
    const moved = before.moments[before.current].state !== after.moments[after.current].state;
    change(pane, after);
    if (moved) {
      scope.revisit(pane, after.current);
    }
    tree().querySelector(".here")?.focus();
  }

  /* Answers made since stay: they are visited again on the old history. */
  function restore(pane) {
    const now = pane.past;
    let past = removed.past;
    const most = scope.mostMoments();
    now.moments.forEach((moment) => {
      const parent = moment.parent === null ? -1 : scope.past.find(past, now.moments[moment.parent].state);
      past = scope.past.visit(past, moment, parent < 0 ? null : parent, most);
    });
    const here = scope.past.find(past, now.moments[now.current].state);
    removed = null;
    change(pane, { moments: past.moments, current: here });
  }

  const ACTS = {
    star: (pane, index) => {
      change(pane, scope.past.replaced(pane.past, index, { star: !pane.past.moments[index].star }));
    },
    pin: (pane, index) => pane.wish({ verb: "pin", state: pane.past.moments[index].state }),
    name: (pane, index) => edit(pane, index, "name"),
    note: (pane, index) => edit(pane, index, "note"),
    remove: remove,
    show: (pane, index) => scope.revisit(pane, index),
  };

  function focusRow(row) {
    if (row) {
      row.focus();
      reveal(row);
    }
  }

  /* Up and down along the rows, left to the moment that was changed, right to what followed. */
  const MOVES = {
    ArrowDown: (row) => row.nextElementSibling,
    ArrowUp: (row) => row.previousElementSibling,
    Home: (row) => row.parentElement.firstElementChild,
    End: (row) => row.parentElement.lastElementChild,
    ArrowLeft: (row, past, index) => row.parentElement.querySelector('[data-moment="' + past.moments[index].parent + '"]'),
    ArrowRight: (row, past, index) =>
      row.parentElement.querySelector('[data-moment="' + scope.past.children(past)[index][0] + '"]'),
  };
  const KEYS = { Enter: "show", " ": "show", F2: "name", n: "note", "*": "star", Delete: "remove" };

  document.addEventListener(
    "keydown",
    (event) => {
      const row = event.target.closest ? event.target.closest('[role="treeitem"][data-moment]') : null;
      if (!row || event.target !== row || event.ctrlKey || event.metaKey || event.altKey) {
        return;
      }
      const pane = scope.active();
      const index = Number(row.dataset.moment);
      if (MOVES[event.key]) {
        focusRow(MOVES[event.key](row, pane.past, index));
        event.preventDefault();
      } else if (KEYS[event.key]) {
        ACTS[KEYS[event.key]](pane, index);
        event.preventDefault();
      }
    },
    true
  );

  document.addEventListener("focusin", (event) => {
    const row = event.target.closest('[role="treeitem"][data-moment]');
    if (row) {
      Array.from(row.parentElement.children).forEach((other) => other.setAttribute("tabindex", other === row ? "0" : "-1"));
    }
  });

  document.addEventListener("click", (event) => {
    const row = event.target.closest('[role="treeitem"][data-moment]');
    const button = event.target.closest("[data-act]");
    if (row) {
      ACTS[button ? button.dataset.act : "show"](scope.active(), Number(row.dataset.moment));
    } else if (event.target.closest('[data-role="history-toggle"]')) {
      scope.toggleHistory();
    } else if (event.target.closest('[data-role="history-close"]')) {
      scope.closeHistory();
    } else if (event.target.closest('[data-role="history-restore"]')) {
      restore(scope.active());
    }
  });
})();
