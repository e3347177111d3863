/* The strip of moments, drawn here from their labels: drawn on the server it would weigh more than a translation. */
(function () {
  "use strict";
  const scope = window.beamscope;

  /** The node before a moment: empty where a branch begins, an arrow, or the number that the moment branched from. */
  function joint(parent, index) {
    if (parent === null) {
      return ["span", { class: "joint" }, []];
    }
    if (parent === index - 1) {
      return ["span", { class: "joint" }, ["›"]];
    }
    return ["span", { class: "joint", title: "From number " + (parent + 1) }, ["↰ " + (parent + 1)]];
  }

  /* The pinned moment is the pivot; while one is pinned, the shown one is what is compared with it. */
  function look(pane, index) {
    const here = index === pane.history.current ? " here" : "";
    const pinned = index === pane.pinned ? " pinned" : "";
    return "moment" + here + pinned;
  }

  function moment(label, index, here, names) {
    const attributes = {
      class: names,
      "data-value": String(index),
      "aria-current": here ? "true" : "false",
    };
    return ["button", attributes, [label]];
  }

  /** Draw the history of a pane. */
  scope.drawHistory = function (pane) {
    const strip = pane.find("history-strip");
    const past = pane.history;
    if (strip && past) {
      const nodes = past.moments.map(([label, parent], index) => [
        "span",
        { role: "listitem" },
        [joint(parent, index), moment(label, index, index === past.current, look(pane, index))],
      ]);
      scope.draw(strip, nodes);
    }
  };
})();
