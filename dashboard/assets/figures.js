/* Plotly's figures: drawn in place, marked, and linked with the words they show. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const CONFIG = { displayModeBar: false, showSendToCloud: false, responsive: false };
  const queues = new WeakMap();
  let drawing = 0;

  /* The map has a figure of its own from the start; elsewhere one is made. */
  function figureIn(holder) {
    if (!window.Plotly) {
      return null;
    }
    const found = holder.querySelector(".js-plotly-plot");
    if (found || holder.querySelector(".dash-graph")) {
      return found;
    }
    return holder.appendChild(document.createElement("div"));
  }

  /* Plotly is loaded when it is first needed, and draws one thing after the other. */
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
      scope.lightFigures(scope.paneOf(holder));
    });
  };

  /** Change properties of traces: ``[properties, trace]`` each. */
  scope.restyleFigure = function (holder, changes) {
    whenReady(holder, async (figure) => {
      for (const [properties, trace] of changes) {
        const wrapped = Object.entries(properties).map(([name, value]) => [name, [value]]);
        await window.Plotly.restyle(figure, Object.fromEntries(wrapped), [trace]);
      }
      scope.lightFigures(scope.paneOf(holder));
    });
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
    figure.on("plotly_hover", (event) => scope.light(pane, wordAt(event)));
    figure.on("plotly_unhover", () => scope.light(pane, null));
    figure.on("plotly_click", (event) => {
      const word = wordAt(event);
      if (word) {
        scope.select(pane, word);
      }
    });
  }

  function pointsOf(trace, word) {
    const points = [];
    if (word && word.side === trace.meta.side) {
      trace.customdata.forEach((index, point) => {
        if (Number(index) === word.index) {
          points.push(point);
        }
      });
    }
    return points.length ? points : null;
  }

  /** Traces that name a side by `meta` and words by `customdata` show the lit word as their selected points. */
  scope.lightFigures = function (pane) {
    pane.root.querySelectorAll(".js-plotly-plot").forEach((figure) => {
      const numbers = [];
      const selected = [];
      (figure.data || []).forEach((trace, number) => {
        const drawn = figure._fullData && figure._fullData[number];
        if (drawn && trace.meta && trace.meta.side && trace.customdata) {
          const points = pointsOf(trace, pane.lit);
          if (JSON.stringify(points) !== JSON.stringify(trace.selectedpoints || null)) {
            numbers.push(number);
            selected.push(points);
          }
        }
      });
      if (numbers.length) {
        window.Plotly.restyle(figure, { selectedpoints: selected }, numbers);
      }
    });
  };
})();
