/* One word, every view: hovering a word lights it everywhere, clicking selects it. Nothing here asks the server. */
(function () {
  "use strict";
  const scope = window.beamscope;
  let selection = null;

  function key(side, index) {
    return '[data-side="' + side + '"][data-index="' + index + '"]';
  }

  function wordOf(target) {
    const element = target.closest ? target.closest("[data-side][data-index]") : null;
    return element ? { side: element.dataset.side, index: Number(element.dataset.index) } : null;
  }

  function mark(name, word) {
    document.querySelectorAll("." + name + "[data-side]").forEach((element) => element.classList.remove(name));
    if (word) {
      document.querySelectorAll(key(word.side, word.index)).forEach((element) => element.classList.add(name));
    }
  }

  /* Links of the word in red, and the words at their other ends marked. */
  function lightLinks(word) {
    const cy = scope.graph("translation-links");
    document.querySelectorAll(".linked").forEach((element) => element.classList.remove("linked"));
    if (!cy) {
      return;
    }
    cy.batch(() => {
      cy.edges().removeClass("lit dim");
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
        document.querySelectorAll(".words " + other).forEach((element) => element.classList.add("linked"));
      });
    });
  }

  function lightTree(word) {
    const cy = scope.graph("tree-graph");
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

  /* Plotly traces that name a side by `meta` and words by `customdata` show the word as their selected point. */
  function lightFigures(word) {
    document.querySelectorAll(".js-plotly-plot").forEach((figure) => {
      (figure.data || []).forEach((trace, number) => {
        const drawn = figure._fullData && figure._fullData[number];
        if (!drawn || !trace.meta || !trace.meta.side || !trace.customdata) {
          return;
        }
        const points = [];
        if (word && word.side === trace.meta.side) {
          trace.customdata.forEach((index, point) => {
            if (Number(index) === word.index) {
              points.push(point);
            }
          });
        }
        window.Plotly.restyle(figure, { selectedpoints: [points.length ? points : null] }, [number]);
      });
    });
  }

  let lit = null;

  function same(one, other) {
    return one === other || (one && other && one.side === other.side && one.index === other.index);
  }

  function show(word) {
    lit = word;
    mark("lit", word);
    lightLinks(word);
    lightTree(word);
  }

  /** Light a word (``{side, index}``) in every view; with null, what is selected. */
  scope.light = function (word) {
    const shown = word || selection;
    if (!same(lit, shown)) {
      show(shown);
      lightFigures(shown);
    }
  };

  /** Select a word; the selected word again, or null, lets go. */
  scope.select = function (word) {
    selection = same(selection, word) ? null : word;
    mark("picked", selection);
    scope.send("page-selection", selection);
    show(selection);
    lightFigures(selection);
  };

  scope.hoverLink = function (edge) {
    if (!edge) {
      scope.tip("");
      scope.light(null);
      return;
    }
    const [source, target] = edge.id().split("-").map(Number);
    const name = (side, index) => {
      const word = document.querySelector(".words " + key(side, index));
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
      scope.light(word);
    }
  });
  document.addEventListener("mouseout", (event) => {
    if (wordOf(event.target) && !wordOf(event.relatedTarget || document.body)) {
      scope.light(null);
    }
  });
  document.addEventListener("focusin", (event) => {
    const word = wordOf(event.target);
    if (word) {
      scope.light(word);
    }
  });
  document.addEventListener("click", (event) => {
    const word = wordOf(event.target);
    // A button that sends something of its own does not also select.
    const sends = event.target.closest("button") && event.target.closest("[data-send]");
    if (word && !sends && !(scope.draftClick && scope.draftClick(word))) {
      scope.select(word);
    }
  });

  function watchFigures() {
    document.querySelectorAll(".js-plotly-plot:not([data-linked])").forEach((figure) => {
      figure.dataset.linked = "yes";
      const wordAt = (event) => {
        const point = event.points[0];
        const meta = point.data.meta;
        return meta && meta.side ? { side: meta.side, index: Number(point.customdata) } : null;
      };
      figure.on("plotly_hover", (event) => scope.light(wordAt(event)));
      figure.on("plotly_unhover", () => scope.light(null));
      figure.on("plotly_click", (event) => {
        const word = wordAt(event);
        if (word) {
          scope.select(word);
        }
      });
    });
  }

  document.addEventListener("DOMContentLoaded", () => {
    document.body.appendChild(tip);
    let pending = null;
    // What the server has drawn anew does not know what is lit. (Figures redraw themselves when they are marked, so
    // marking them from here would never end.)
    new MutationObserver((changes) => {
      if (changes.some((change) => change.target !== tip)) {
        cancelAnimationFrame(pending);
        pending = requestAnimationFrame(() => {
          watchFigures();
          scope.oneStopARow();
          mark("picked", selection);
          show(lit);
        });
      }
    }).observe(document.body, { childList: true, subtree: true });
  });
})();
