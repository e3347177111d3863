/* Links of a comparison, drawn as SVG, and what lights up across both sides of a column. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const SVG = "http://www.w3.org/2000/svg";

  function path([line, width, kind, target, source]) {
    const element = document.createElementNS(SVG, "path");
    element.setAttribute("d", line);
    element.setAttribute("stroke-width", String(width));
    element.setAttribute("class", kind);
    element.dataset.ends = "t" + target + " s" + source;
    return element;
  }

  /** Draw links in an element: ``[path, width, class, target column, source column]`` each. */
  scope.drawPaths = function (holder, paths) {
    const svg = document.createElementNS(SVG, "svg");
    svg.append(...paths.map(path));
    holder.replaceChildren(svg);
  };

  /** Scroll a comparison that is wider than its card to the first word that differs; words before it stay on view. */
  scope.showFirstDifference = function (pane) {
    const card = pane.find("comparison-card");
    const scroller = card.querySelector(".scroller");
    const differing = Array.from(card.querySelectorAll(".words button:not(.equal)"));
    const lefts = differing.map((word) => word.getBoundingClientRect().left - scroller.getBoundingClientRect().left);
    const first = Math.min(...lefts) + scroller.scrollLeft;
    // A difference in the first half of the card is seen from the beginning.
    scroller.scrollLeft = first > scroller.clientWidth / 2 && differing.length ? first - scroller.clientWidth / 3 : 0;
  };

  function columnOf(target) {
    const element = target.closest ? target.closest("[data-column]") : null;
    return element ? element.dataset.column : null;
  }

  /* Both words of a column and the links that end there. */
  function light(root, column) {
    root.querySelectorAll(".across").forEach((element) => element.classList.remove("across"));
    root.querySelectorAll(".paths").forEach((holder) => holder.classList.toggle("has-across", Boolean(column)));
    if (column) {
      root.querySelectorAll('[data-column="' + column + '"], [data-ends~="' + column + '"]').forEach((element) => {
        element.classList.add("across");
      });
    }
  }

  function lightFrom(event) {
    const card = event.target.closest ? event.target.closest('[data-role="comparison-card"]') : null;
    if (card) {
      light(card, columnOf(event.target));
    }
  }
  document.addEventListener("mouseover", lightFrom);
  document.addEventListener("focusin", lightFrom);
  document.addEventListener("mouseout", (event) => {
    const card = event.target.closest ? event.target.closest('[data-role="comparison-card"]') : null;
    if (card && !card.contains(event.relatedTarget)) {
      light(card, null);
    }
  });
})();
