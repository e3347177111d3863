/* The strip of moments, drawn here from their labels: drawn on the server it would weigh more than a translation. */
(function () {
  "use strict";
  const scope = window.beamscope;

  function component(type, props) {
    return { type: type, namespace: "dash_html_components", props: props };
  }

  /** What stands before a moment: nothing where a branch begins, an arrow, or the number that it branched from. */
  function joint(parent, index) {
    if (parent === null) {
      return component("Span", { className: "joint" });
    }
    const follows = parent === index - 1;
    const title = follows ? undefined : "From number " + (parent + 1);
    return component("Span", { className: "joint", title: title, children: follows ? "›" : "↰ " + (parent + 1) });
  }

  function moment(label, index, here) {
    return component("Button", {
      className: here ? "moment here" : "moment",
      children: label,
      "data-value": String(index),
      "aria-current": here ? "true" : "false",
    });
  }

  scope.offer({
    drawHistory: function (past) {
      const moments = past ? past.moments : [];
      return moments.map(([label, parent], index) =>
        component("Span", {
          role: "listitem",
          children: [joint(parent, index), moment(label, index, index === past.current)],
        })
      );
    },
  });
})();
