/* A word of the top k goes on beside the others: by the right button, or by k. The tree keeps its own (graphs.js). */
(function () {
  "use strict";
  const scope = window.beamscope;

  function keep(event) {
    const cell = event.target.closest(".top-column > button");
    const pane = cell && scope.paneOf(cell);
    if (pane && pane.find("translation-card").contains(cell)) {
      pane.wish(Object.assign({ verb: "keep_choice" }, scope.placeOfChoice(cell)));
      event.preventDefault();
    }
  }

  document.addEventListener("contextmenu", keep);
  document.addEventListener("keydown", (event) => {
    if (event.key === "k" && !event.ctrlKey && !event.metaKey && !event.altKey) {
      keep(event);
    }
  });
})();
