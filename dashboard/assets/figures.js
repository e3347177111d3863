/* Plotly's figures: drawn in place, marked, and linked with the words they show. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const CONFIG = { displayModeBar: false, showSendToCloud: false, responsive: false };
  const queues = new WeakMap();
  let drawing = 0;

  /** Have Dash mount what a pane has held back; with it comes Plotly, which is loaded when it is first needed. */
  scope.mountHeldBack = function (pane) {
    pane.root.querySelectorAll("[data-later]").forEach((frame) => {
      window.dash_clientside.set_props(JSON.parse(frame.dataset.control), { children: JSON.parse(frame.dataset.later) });
      delete frame.dataset.later;
    });
  };

  /* A frame that Dash fills has a figure of its own; elsewhere one is made. */
  function figureIn(holder) {
    if (!window.Plotly) {
      return null;
    }
    const found = holder.querySelector(".js-plotly-plot");
    if (found || holder.dataset.control) {
      return found;
    }
    return holder.appendChild(document.createElement("div"));
  }

  /* Plotly draws one thing after the other, once it is loaded. */
  function whenReady(holder, act) {
    const before = queues.get(holder) || Promise.resolve();
    const next = before.then(
      () => new Promise((resolve) => scope.whenThere(() => figureIn(holder), (figure) => resolve(act(figure))))
    );
    queues.set(holder, next);
    drawing += 1;
    next.finally(() => {
      drawing -= 1;
    });
  }

  /** Whether a figure is being drawn. */
  scope.isDrawing = () => drawing > 0;

  /** Draw a figure in an element. */
  scope.drawFigure = function (holder, drawn) {
    whenReady(holder, async (figure) => {
      await window.Plotly.react(figure, drawn.data, drawn.layout, figure.classList.contains("js-plotly-plot") ? undefined : CONFIG);
      listen(holder, figure);
    });
  };

  /** Change properties of traces, ``[properties, trace]`` each, in one go; undefined leaves a trace as it is. */
  scope.restyleFigure = function (holder, changes) {
    const names = new Set(changes.flatMap(([properties]) => Object.keys(properties)));
    const values = Array.from(names, (name) => [name, changes.map(([properties]) => properties[name])]);
    const traces = changes.map(([, trace]) => trace);
    whenReady(holder, (figure) => window.Plotly.restyle(figure, Object.fromEntries(values), traces));
  };

  function wordAt(event) {
    const point = event.points[0];
    const meta = point.data.meta;
    return meta && meta.side ? { side: meta.side, index: Number(point.customdata) } : null;
  }

  function listen(holder, figure) {
    if (figure.dataset.linked) {
      return;
    }
    figure.dataset.linked = "yes";
    const pane = scope.paneOf(holder);
    // The component tells Dash of every point that the pointer meets; nobody there listens.
    ["plotly_hover", "plotly_unhover", "plotly_click"].forEach((name) => figure.removeAllListeners(name));
    figure.on("plotly_afterplot", () => scope.lightFigures(pane));
    scope.lightFigures(pane);
    figure.on("plotly_hover", (event) => scope.light(pane, wordAt(event)));
    figure.on("plotly_unhover", () => scope.light(pane, null));
    figure.on("plotly_click", (event) => {
      const word = wordAt(event);
      if (word) {
        scope.select(pane, word);
      }
    });
  }

  /* The drawn points of a trace that names a side by `meta` and words by `customdata`; others have none. */
  function lightTrace(group, word) {
    const trace = group.__data__ && group.__data__[0] && group.__data__[0].trace;
    if (!trace || !trace.meta || !trace.meta.side || !trace.customdata) {
      return;
    }
    const wanted = word && word.side === trace.meta.side ? word.index : null;
    let any = false;
    group.querySelectorAll(".point").forEach((point) => {
      const lit = wanted !== null && Number(trace.customdata[point.__data__.i]) === wanted;
      any = any || lit;
      point.classList.toggle("lit", lit);
    });
    group.classList.toggle("has-lit", any);
    group.style.setProperty("--unlit", trace.unselected ? trace.unselected.marker.opacity : 1);
  }

  /** Mark the states of the lit word in the figures of a pane. Plotly would draw a figure anew for each mark. */
  scope.lightFigures = function (pane) {
    pane.root.querySelectorAll(".js-plotly-plot .scatterlayer .trace").forEach((group) => {
      lightTrace(group, pane.lit);
    });
  };
})();
