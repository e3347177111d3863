/* The menu of a word: other words in its place, what else can be done with it, and the whole text to be edited. It opens
   over the word at once; what it shows is asked for once. A wish that is refused leaves it open, with what was typed. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const MARGIN = 8;
  const MOST_TYPED = 200;
  let shown = null;
  let completions = null;

  function make(tag, attributes, children) {
    const element = document.createElement(tag);
    Object.entries(attributes || {}).forEach(([name, value]) => element.setAttribute(name, value));
    element.append(...(children || []));
    return element;
  }

  function button(text, act, kind) {
    return make("button", { type: "button", class: kind || "act", "data-act": act }, [text]);
  }

  /* One line for a word; a field and its buttons for a whole text. */
  function fillForm(menu) {
    const field = make("input", { class: "word-field", "aria-label": "Another word", autocomplete: "off", spellcheck: "false" });
    const text = make("textarea", { class: "text-field", rows: "4", spellcheck: "false" });
    const line = make("div", { class: "form-word" }, [field, button("Write it", "write", "primary")]);
    const source = make("div", { class: "form-buttons form-source" }, [button("Translate", "translate", "primary")]);
    const target = make("div", { class: "form-buttons form-target" }, [
      button("Score as it stands", "score", "primary"),
      button("Decode on from the cursor", "decode"),
    ]);
    const name = make("h2", { class: "form-name" });
    menu.querySelector(".word-form").append(line, make("div", { class: "form-text" }, [name, text, source, target]));
    completions = new scope.Completions(field, complete);
  }

  function menuOf(pane) {
    const menu = pane.find("word-menu");
    if (!menu.querySelector(".word-field")) {
      fillForm(menu);
    }
    return menu;
  }

  /* Under the word where there is room, else over it; always inside the window. */
  function place(menu, box) {
    const word = box.getBoundingClientRect();
    const below = word.bottom + MARGIN / 2;
    const above = word.top - MARGIN / 2 - menu.offsetHeight;
    const fits = below + menu.offsetHeight + MARGIN <= window.innerHeight;
    const top = fits ? below : Math.max(MARGIN, above >= MARGIN ? above : window.innerHeight - menu.offsetHeight - MARGIN);
    const left = Math.min(word.left, window.innerWidth - menu.offsetWidth - MARGIN);
    menu.style.left = Math.max(MARGIN, left) + "px";
    menu.style.top = top + "px";
  }

  function drawPlain(pane, menu, box) {
    scope.draw(scope.byRole(menu, "word-menu-title"), [box.textContent]);
    scope.draw(scope.byRole(menu, "word-menu-note"), ["Looking for near words …"]);
    ["actions", "map", "list"].forEach((name) => scope.draw(scope.byRole(menu, "word-menu-" + name), []));
    menu.querySelector(".word-field").value = box.dataset.text || "";
  }

  function focusField(menu) {
    const field = menu.querySelector(menu.dataset.form === "word" ? ".word-field" : ".text-field");
    field.focus();
    if (field.matches(".word-field")) {
      field.select();
    }
  }

  /* The answer to a menu that was closed meanwhile, or that shows another word by now, is of no use. */
  function take(menu, answer, mine) {
    if (shown !== mine) {
      return;
    }
    if (!answer) {
      scope.draw(scope.byRole(menu, "word-menu-note"), ["Stopped; open the menu again for near words."]);
      return;
    }
    if (answer.notice) {
      scope.notify(answer.notice.kind, answer.notice.text);
      return;
    }
    answer.parts.forEach(([role, content]) => scope.placePart(mine.pane, role, scope.byRole(menu, role), content));
    const field = menu.querySelector(".word-field");
    if (answer.word !== null && field.value === (mine.box.dataset.text || "")) {
      field.value = answer.word;
      if (document.activeElement === field) {
        field.select();
      }
    }
    menu.dataset.word = answer.word === null ? "none" : "some";
    menu.querySelector(".text-field").value = answer.text;
    place(menu, mine.box);
  }

  /* Texts that a typed one may become, its last word completed. An answer to a menu that was closed is of no use. */
  async function complete(text) {
    const mine = shown;
    if (!mine || text.length > MOST_TYPED) {
      return null;
    }
    const asked = { model_id: mine.pane.state.request.model_id, side: mine.word.side, text: text };
    const answer = await scope.call("completions", asked, { signal: mine.asking.signal });
    return answer && shown === mine ? answer.texts || null : null;
  }

  async function open(pane, box, form) {
    close();
    const menu = menuOf(pane);
    const word = { side: box.dataset.side, index: Number(box.dataset.index) };
    const mine = (shown = { pane: pane, menu: menu, box: box, word: word, asking: new AbortController() });
    menu.hidden = false;
    menu.dataset.word = "some";
    setForm(menu, form || "word");
    drawPlain(pane, menu, box);
    place(menu, box);
    focusField(menu);
    const question = Object.assign(pane.question(null), { selection: word, held: {} });
    take(menu, await scope.call("word", question, { signal: mine.asking.signal }), mine);
  }

  function setForm(menu, form) {
    menu.dataset.form = form;
    menu.querySelector(".text-field").setAttribute("aria-label", "The whole " + form);
    menu.querySelector(".form-name").textContent = "Edit the " + form;
  }

  function close() {
    if (shown) {
      shown.asking.abort();
      completions.close();
      shown.menu.hidden = true;
      shown = null;
    }
  }

  /** Close the menu of a word; whether it was open. */
  scope.closeWordMenu = function () {
    const { pane, box, word } = shown || {};
    const held = shown && shown.menu.contains(document.activeElement);
    close();
    if (held) {
      // A comparison may have taken the word's place.
      const place = box.offsetParent ? box : boxOf(pane, word);
      if (place) {
        place.focus();
      }
    }
    return Boolean(box);
  };

  function visible(pane, places) {
    return Array.from(pane.root.querySelectorAll(places)).find((one) => one.offsetParent);
  }

  function boxOf(pane, word) {
    return visible(pane, '.words button[data-side="' + word.side + '"][data-index="' + word.index + '"]');
  }

  /** Open the menu of the word that has the focus, else of the chosen one. */
  scope.openWordMenu = function (pane) {
    const focused = document.activeElement.closest(".words button[data-side]");
    const box = focused || (pane.selection && boxOf(pane, pane.selection));
    if (box) {
      open(pane, box);
    }
  };

  /** Open the whole source or target for editing. */
  scope.editText = function (pane, side) {
    const box = visible(pane, "." + side + '-words:not(.before) button[data-side="' + side + '"]');
    if (box) {
      open(pane, box, side);
    }
  };

  /** A click on the chosen word opens its menu, or closes it; whether it did either. */
  scope.clickChosen = function (pane, word, target) {
    const chosen = pane.selection;
    const box = target.closest(".words button[data-side]");
    if (!box || pane.options.mode === "attention" || !chosen || chosen.side !== word.side || chosen.index !== word.index) {
      return false;
    }
    if (shown && shown.box === box) {
      scope.closeWordMenu();
    } else {
      open(pane, box);
    }
    return true;
  };

  function wishOfWord(word, box, text) {
    return word.side === "source"
      ? { verb: "substitute", word: Number(box.dataset.word), text: text }
      : { verb: "substitute_target", step: word.index, text: text };
  }

  function ask(wish, refusal) {
    if (refusal) {
      scope.notify("error", refusal);
    } else {
      shown.pane.wish(wish);
    }
  }

  function write() {
    const text = shown.menu.querySelector(".word-field").value.trim();
    ask(wishOfWord(shown.word, shown.box, text), text ? "" : "There is no word to write; type one, or choose one below.");
  }

  const ACTS = {
    write: write,
    translate: (text) => ask({ verb: "edit_source", text: text.value }),
    score: (text) =>
      ask({ verb: "edit_target", text: text.value }, text.value.trim() ? "" : "There is no target to score; type one."),
    decode: (text) => ask({ verb: "edit_target", text: text.value.slice(0, text.selectionStart).trimEnd(), ends: false }),
    "edit-source": () => edit("source"),
    "edit-target": () => edit("target"),
    attend: () => scope.draftAttention(shown.pane, shown.word.index),
    "try-all": () => scope.tryNearWords(shown.pane, shown.word),
  };

  function edit(side) {
    setForm(shown.menu, side);
    place(shown.menu, shown.box);
    focusField(shown.menu);
  }

  function act(name) {
    ACTS[name](shown.menu.querySelector(".text-field"));
    if (name === "attend" || name === "try-all") {
      close();
    }
  }

  function onKey(event) {
    if (event.target.matches(".word-field") && completions.takeKey(event)) {
      event.stopPropagation();
      return;
    }
    if (event.key === "Escape") {
      scope.closeWordMenu();
    } else if (event.key === "Enter" && event.target.matches(".word-field")) {
      write();
    } else if (event.key === "Enter" && event.target.matches(".text-field") && !event.shiftKey) {
      event.preventDefault();
      act(shown.menu.dataset.form === "source" ? "translate" : "score");
    } else if (event.key.startsWith("Arrow")) {
      return;
    }
    // Shortcuts of the page are for the page.
    event.stopPropagation();
  }

  /* A word of the map and the same word of the list. */
  function lightNear(event) {
    const near = event.target.closest ? event.target.closest("[data-near]") : null;
    const name = near ? near.dataset.near : null;
    shown.menu.querySelectorAll("[data-near]").forEach((one) => one.classList.toggle("lit", one.dataset.near === name));
  }

  document.addEventListener("keydown", (event) => shown && shown.menu.contains(event.target) && onKey(event), true);
  document.addEventListener("click", (event) => {
    const acting = event.target.closest("[data-act]");
    if (shown && acting && shown.menu.contains(acting)) {
      act(acting.dataset.act);
    }
  });
  document.addEventListener("pointerdown", (event) => {
    const same = shown && shown.box.contains(event.target);
    if (shown && !same && !shown.menu.contains(event.target) && !event.target.closest(".notice")) {
      close();
    }
  });
  ["mouseover", "focusin"].forEach((name) => {
    document.addEventListener(name, (event) => shown && shown.menu.contains(event.target) && lightNear(event));
  });
  document.addEventListener("contextmenu", (event) => {
    const box = event.target.closest(".words button[data-side]");
    if (box) {
      event.preventDefault();
      open(scope.paneOf(box), box);
    }
  });
})();
