/* The two Cytoscape canvases of a pane: changing them, fitting the tree, walking it with the keyboard, forcing a path. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const MARGIN = 14;
  const LARGEST = 1.25;
  /* Smallest zoom of a new tree, and of one that is fitted: labels of 12 pixels stay legible. */
  const LEGIBLE = { shown: 0.85, fitted: 0.7 };
  const KINDS = { pruned: ", pruned", beside: ", beside the beam", best: ", in the chosen translation" };
  const HINT = " · click: decode from here · right button: keep it beside the others";
  const prepared = new WeakSet();
  const waiting = new WeakMap();

  /** The Cytoscape instance drawn in an element, once there is one. */
  scope.graphIn = function (holder) {
    const element = Array.from(holder.querySelectorAll("div")).find((one) => one._cyreg);
    return element ? element._cyreg.cy : null;
  };

  /** The Cytoscape instance of a role in a pane; the active pane where none is named. */
  scope.graph = function (role, pane) {
    return scope.graphIn((pane || scope.active()).find(role));
  };

  function sameEnds(element, data) {
    return element.isNode() || (element.data("source") === data.source && element.data("target") === data.target);
  }

  function update(element, wanted) {
    const has = element.data();
    if (Object.entries(wanted.data).some(([name, value]) => JSON.stringify(has[name]) !== JSON.stringify(value))) {
      element.data(wanted.data);
    }
    if (wanted.position) {
      const place = element.position();
      if (place.x !== wanted.position.x || place.y !== wanted.position.y) {
        element.position(wanted.position);
      }
    }
    element.classes(wanted.classes || "");
  }

  /* Edges hang on their nodes: what is taken away goes first, and nodes come before edges. */
  function patch(cy, elements) {
    const wanted = new Map(elements.map((element) => [element.data.id, element]));
    cy.batch(() => {
      cy.elements()
        .filter((element) => {
          const next = wanted.get(element.id());
          return !next || !sameEnds(element, next.data);
        })
        .remove();
      const fresh = [];
      wanted.forEach((element, id) => {
        const has = cy.getElementById(id);
        if (has.length) {
          update(has, element);
        } else {
          fresh.push(Object.assign({ group: element.data.source ? "edges" : "nodes" }, element));
        }
      });
      cy.add(fresh);
    });
  }

  /** Make the graph in an element have these elements; what it has already stays. */
  scope.drawGraph = function (holder, elements) {
    const cy = scope.graphIn(holder);
    waiting.set(holder, elements);
    if (!cy) {
      scope.whenThere(
        () => scope.graphIn(holder),
        () => scope.drawGraph(holder, waiting.get(holder))
      );
      return;
    }
    prepare(holder, cy);
    patch(cy, elements);
    if (holder.matches(".tree-drawing")) {
      fit(cy, LEGIBLE.shown);
      scope.tip("");
    }
  };

  function wear(holder, cy) {
    cy.style().fromJson(JSON.parse(holder.dataset.sheets)[scope.theme()]).update();
  }

  /** Draw the graphs of a pane in the colors of the theme. */
  scope.wearTheme = function (pane) {
    pane.root.querySelectorAll("[data-sheets]").forEach((holder) => {
      const cy = scope.graphIn(holder);
      if (cy) {
        wear(holder, cy);
      }
    });
  };

  /* The component tells Dash of every pointer that enters or leaves an element; nobody there listens. */
  function prepare(holder, cy) {
    if (prepared.has(holder)) {
      return;
    }
    prepared.add(holder);
    cy.removeListener("tap mouseover mouseout select unselect boxselect dragfree");
    wear(holder, cy);
    if (holder.matches(".tree-drawing")) {
      prepareTree(holder, cy);
    } else {
      prepareLinks(holder, cy);
    }
  }

  /* Cytoscape's own box measures every label and curve; nodes are as wide as they say, and percents hang below. */
  function boxOf(cy) {
    const box = { x1: Infinity, y1: Infinity, x2: -Infinity, y2: -Infinity };
    cy.nodes().forEach((node) => {
      const place = node.position();
      const half = node.data("w") / 2 + 3;
      box.x1 = Math.min(box.x1, place.x - half);
      box.x2 = Math.max(box.x2, place.x + half);
      box.y1 = Math.min(box.y1, place.y - 12);
      box.y2 = Math.max(box.y2, place.y + 24);
    });
    return Object.assign(box, { w: box.x2 - box.x1, h: box.y2 - box.y1 });
  }

  /* As much of the tree as stays legible, from the start; the rest is reached by scrolling or dragging. */
  function fit(cy, smallest) {
    const box = boxOf(cy);
    if (!cy.nodes().length || !cy.height()) {
      return;
    }
    const tall = (cy.height() - 2 * MARGIN) / box.h;
    const wide = (cy.width() - 2 * MARGIN) / box.w;
    const zoom = Math.max(Math.min(tall, wide, LARGEST), smallest);
    cy.viewport({ zoom: zoom, pan: { x: MARGIN - box.x1 * zoom, y: MARGIN - box.y1 * zoom } });
  }

  /* The start, what stands for candidates that are not drawn, and prefixes of the pinned search alone lead nowhere. */
  function isInert(node) {
    return node.id() === "0" || node.hasClass("group") || node.hasClass("before");
  }

  /* A verb is "force", to decode from a prefix alone, or "keep", to let it go on beside the others. */
  function decode(holder, node, verb) {
    if (!isInert(node)) {
      scope.paneOf(holder).wish(scope.wishOfPath(node.id(), verb));
    }
  }

  function describe(node) {
    if (node.hasClass("group")) {
      return node.data("label").slice(1) + " more pruned at step " + node.data("t") + "; Text lists them";
    }
    const edge = node.incomers("edge");
    const probability = edge.length ? ", " + edge[0].data("p") + " percent" : "";
    const kind = Object.keys(KINDS).find((name) => node.hasClass(name));
    const held = node.hasClass("before") ? ", only pivot" : node.hasClass("after") ? ", only compare" : "";
    return node.data("label") + probability + (kind ? KINDS[kind] : "") + held;
  }

  function setCursor(holder, cy, node) {
    cy.nodes(".cursor").removeClass("cursor");
    node.addClass("cursor");
    scope.paneOf(holder).find("tree-cursor").textContent = describe(node);
    const place = node.renderedPosition();
    if (place.x < 20 || place.y < 20 || place.x > cy.width() - 40 || place.y > cy.height() - 20) {
      cy.center(node);
    }
  }

  /* Left is the prefix without its last word, right its best continuation, up and down the next of the same length. */
  function neighbor(cy, node, key) {
    if (key === "ArrowLeft") {
      return node.incomers("node");
    }
    if (key === "ArrowRight") {
      return node.outgoers("node").sort((a, b) => a.position("y") - b.position("y"));
    }
    const down = key === "ArrowDown";
    const here = node.position("y");
    return cy
      .nodes("[t = " + node.data("t") + "]")
      .filter((one) => (down ? one.position("y") > here : one.position("y") < here))
      .sort((a, b) => (down ? 1 : -1) * (a.position("y") - b.position("y")));
  }

  function walk(holder, cy, event) {
    if (!cy.nodes().length) {
      return;
    }
    const cursor = cy.nodes(".cursor").length ? cy.nodes(".cursor")[0] : cy.getElementById("0");
    if (event.key === "Enter" || event.key === "k") {
      decode(holder, cursor, event.key === "k" ? "keep" : "force");
    } else if (event.key.startsWith("Arrow")) {
      const next = neighbor(cy, cursor, event.key);
      setCursor(holder, cy, next.length ? next[0] : cursor);
    } else {
      return;
    }
    event.preventDefault();
  }

  /* The wheel scrolls as it does elsewhere on the page; with Ctrl it zooms. */
  function scroll(cy, event) {
    if (event.ctrlKey) {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    const [right, down] = event.shiftKey ? [event.deltaY, 0] : [event.deltaX, event.deltaY];
    const box = boxOf(cy);
    cy.pan({
      x: within(cy.pan("x") - right, box.x1, box.x2, cy.zoom(), cy.width()),
      y: within(cy.pan("y") - down, box.y1, box.y2, cy.zoom(), cy.height()),
    });
  }

  /* The pan nearest to the wanted one that leaves no empty room where the tree goes on. */
  function within(wanted, start, end, zoom, room) {
    const first = MARGIN - start * zoom;
    const last = room - MARGIN - end * zoom;
    return Math.max(Math.min(wanted, Math.max(first, last)), Math.min(first, last));
  }

  function prepareTree(holder, cy) {
    cy.on("tap", "node", (event) => decode(holder, event.target, "force"));
    cy.on("cxttap", "node", (event) => decode(holder, event.target, "keep"));
    holder.addEventListener("contextmenu", (event) => event.preventDefault());
    cy.on("mouseover", "node", (event) => {
      const node = event.target;
      holder.style.cursor = isInert(node) ? "" : "pointer";
      scope.tip(describe(node).replace(" percent", " %") + (isInert(node) ? "" : HINT));
    });
    cy.on("mouseout", "node", () => {
      holder.style.cursor = "";
      scope.tip("");
    });
    holder.addEventListener("keydown", (event) => walk(holder, cy, event));
    holder.addEventListener("wheel", (event) => scroll(cy, event), { passive: false, capture: true });
    new ResizeObserver(() => {
      cy.resize();
      fit(cy, LEGIBLE.shown);
    }).observe(holder);
    document.fonts.ready.then(() => cy.style().update());
  }

  /* The canvas of the links must keep its scale: its ends stand under words. */
  function prepareLinks(holder, cy) {
    new ResizeObserver(() => {
      cy.resize();
      cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
    }).observe(holder);
    const pane = () => scope.paneOf(holder);
    cy.on("mouseover", "edge", (event) => scope.hoverLink(pane(), event.target));
    cy.on("mouseout", "edge", () => scope.hoverLink(pane(), null));
  }

  document.addEventListener("click", (event) => {
    if (event.target.closest('[data-role="tree-fit"]')) {
      fit(scope.graph("tree-graph", scope.paneOf(event.target)), LEGIBLE.fitted);
    }
  });
})();
