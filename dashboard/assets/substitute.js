/* Write another word in place of a source word: a field over its box, by a double click or a key. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const WIDEST = 240;
  const NARROWEST = 110;

  function makeField(box) {
    const place = box.getBoundingClientRect();
    const field = document.createElement("input");
    field.className = "rewrite";
    field.value = box.dataset.text;
    field.setAttribute("aria-label", "Another word for " + box.dataset.text);
    field.style.left = place.left + "px";
    field.style.top = place.top + "px";
    field.style.width = Math.min(WIDEST, Math.max(NARROWEST, place.width)) + "px";
    return field;
  }

  /* An unchanged word is no wish; an empty one would leave a gap. */
  function send(pane, box, text) {
    if (text.trim() && text !== box.dataset.text) {
      pane.wish({ verb: "substitute", word: Number(box.dataset.word), text: text.trim() });
    }
  }

  function rewrite(pane, box) {
    const field = makeField(box);
    document.body.append(field);
    field.select();
    field.focus();
    field.addEventListener("blur", () => field.remove());
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter") {
        send(pane, box, field.value);
        field.blur();
        box.focus();
      }
    });
  }

  /** Write another word in place of the source word that has the focus, else of the selected one. */
  scope.rewriteChosen = function (pane) {
    const chosen = pane.selection;
    const places = chosen && chosen.side === "source" ? '[data-word][data-index="' + chosen.index + '"]' : null;
    const boxes = places ? Array.from(pane.root.querySelectorAll(places)) : [];
    const box = document.activeElement.closest("[data-word]") || boxes.find((one) => one.offsetParent);
    if (box) {
      rewrite(pane, box);
    }
  };

  document.addEventListener("dblclick", (event) => {
    const box = event.target.closest("[data-word]");
    const pane = box && scope.paneOf(box);
    if (box && pane.options.mode !== "attention") {
      rewrite(pane, box);
    }
  });
})();
