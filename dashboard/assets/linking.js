/* One word, every view of its pane: hovering a word lights it everywhere, clicking selects it. */
(function () {
  "use strict";
  const scope = window.beamscope;

  function key(side, index) {
    return '[data-side="' + side + '"][data-index="' + index + '"]';
  }

  function wordOf(target) {
    const element = target.closest ? target.closest("[data-side][data-index]") : null;
    return element ? { side: element.dataset.side, index: Number(element.dataset.index) } : null;
  }

  function mark(pane, name, word) {
    pane.root.querySelectorAll("." + name + "[data-side]").forEach((element) => element.classList.remove(name));
    if (word) {
      pane.root.querySelectorAll(key(word.side, word.index)).forEach((element) => element.classList.add(name));
    }
  }

  /* Links of the word in red, and the words at their other ends marked. */
  function lightLinks(pane, word) {
    const cy = scope.graph("translation-links", pane);
    pane.root.querySelectorAll(".linked").forEach((element) => element.classList.remove("linked"));
    if (!cy) {
      return;
    }
    cy.batch(() => {
      cy.edges(".lit, .dim").removeClass("lit dim");
      if (!word) {
        return;
      }
      const end = cy.getElementById(word.side[0] + word.index);
      const lit = end.connectedEdges();
      cy.edges().difference(lit).addClass("dim");
      lit.addClass("lit");
      lit.forEach((edge) => {
        const [source, target] = edge.id().split("-");
        const other = word.side === "source" ? key("target", target) : key("source", source);
        pane.root.querySelectorAll(".words " + other).forEach((element) => element.classList.add("linked"));
      });
    });
  }

  function lightTree(pane, word) {
    const cy = scope.graph("tree-graph", pane);
    if (!cy) {
      return;
    }
    cy.batch(() => {
      cy.nodes(".lit").removeClass("lit");
      if (word && word.side === "target") {
        // The chosen hypothesis: its nodes lie in the order of their words.
        const path = cy.nodes(".best").sort((a, b) => a.position("x") - b.position("x"));
        path.slice(word.index + 1, word.index + 2).addClass("lit");
      }
    });
  }

  function same(one, other) {
    return one === other || Boolean(one && other && one.side === other.side && one.index === other.index);
  }

  function show(pane, word) {
    pane.lit = word;
    mark(pane, "lit", word);
    lightLinks(pane, word);
    lightRest(pane);
  }

  /* The tree and the figures follow a frame later: together they would take longer than a frame lasts. Words that the
     pointer has left by then are skipped. */
  function lightRest(pane) {
    if (!pane.lighting) {
      pane.lighting = true;
      scope.afterPaint(() => {
        pane.lighting = false;
        lightTree(pane, pane.lit);
        scope.lightFigures(pane);
      });
    }
  }

  /** Light a word (``{side, index}``) in every view; with null, what is selected. */
  scope.light = function (pane, word) {
    const shown = word || pane.selection;
    if (!same(pane.lit, shown)) {
      show(pane, shown);
    }
  };

  /** Show again what is selected, after views were drawn, and what is lit: of another answer, that is what is selected. */
  scope.showMarks = function (pane, lit = pane.selection) {
    mark(pane, "picked", pane.selection);
    show(pane, lit);
  };

  /** Select a word; the selected word again, or null, lets go. */
  scope.select = function (pane, word) {
    if (!pane || (!word && !pane.selection)) {
      return;
    }
    pane.selection = same(pane.selection, word) ? null : word;
    pane.follows = true;
    scope.showMarks(pane);
    pane.look();
  };

  scope.hoverLink = function (pane, edge) {
    if (!edge) {
      scope.tip("");
      scope.light(pane, null);
      return;
    }
    const [source, target] = edge.id().split("-").map(Number);
    const name = (side, index) => {
      const word = pane.root.querySelector(".words " + key(side, index));
      return word ? word.textContent : "";
    };
    scope.tip(name("source", source) + " → " + name("target", target) + "  " + edge.data("w") + " %");
  };

  /* One line beside the pointer, for what lives on a canvas. */
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("aria-hidden", "true");
  scope.tip = function (text) {
    tip.textContent = text;
    tip.classList.toggle("shown", Boolean(text));
  };
  document.addEventListener("pointermove", (event) => {
    const left = Math.min(event.clientX + 12, window.innerWidth - tip.offsetWidth - 8);
    tip.style.transform = "translate(" + left + "px," + (event.clientY + 16) + "px)";
  });

  document.addEventListener("mouseover", (event) => {
    const word = wordOf(event.target);
    if (word) {
      scope.light(scope.paneOf(event.target), word);
    }
  });
  document.addEventListener("mouseout", (event) => {
    if (wordOf(event.target) && !wordOf(event.relatedTarget || document.body)) {
      scope.light(scope.paneOf(event.target), null);
    }
  });
  document.addEventListener("focusin", (event) => {
    const word = wordOf(event.target);
    if (word) {
      scope.light(scope.paneOf(event.target), word);
    }
  });
  document.addEventListener("click", (event) => {
    const word = wordOf(event.target);
    const pane = scope.paneOf(event.target);
    // A button that sends a wish of its own does not also select.
    const wishes = event.target.closest("button") && event.target.closest("[data-verb], [data-wish], [data-path]");
    if (word && !wishes && !scope.draftClick(pane, word) && !scope.clickChosen(pane, word, event.target)) {
      scope.select(pane, word);
    }
  });

  document.addEventListener("DOMContentLoaded", () => document.body.appendChild(tip));
})();
