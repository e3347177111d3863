/* The two Cytoscape canvases: fitting the tree, walking it with the keyboard, forcing a path in it. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const TREE = "tree-graph";
  const LINKS = "translation-links";
  const MARGIN = 14;
  const LARGEST = 1.25;
  /* Smallest zoom of a new tree, and of one that is fitted: labels of 12 pixels stay legible. */
  const LEGIBLE = { shown: 0.85, fitted: 0.7 };

  /** The Cytoscape instance drawn in an element, once there is one. */
  scope.graph = function (id) {
    const element = document.getElementById(id);
    return element && element._cyreg ? element._cyreg.cy : null;
  };

  /* As much of the tree as stays legible, from the start; the rest is reached by scrolling or dragging. */
  function fit(cy, smallest) {
    const box = cy.elements().boundingBox({ includeOverlays: false });
    if (!cy.nodes().length || !box.h) {
      return;
    }
    const tall = (cy.height() - 2 * MARGIN) / box.h;
    const wide = (cy.width() - 2 * MARGIN) / box.w;
    const zoom = Math.max(Math.min(tall, wide, LARGEST), smallest);
    cy.viewport({ zoom: zoom, pan: { x: MARGIN - box.x1 * zoom, y: MARGIN - box.y1 * zoom } });
  }

  scope.offer({
    fitTree: function () {
      fit(scope.graph(TREE), LEGIBLE.fitted);
    },
  });

  function force(node) {
    if (node.id() !== "0" && !node.hasClass("group")) {
      scope.send("tree-choice", { value: node.id(), at: Date.now() });
    }
  }

  function describe(node) {
    if (node.hasClass("group")) {
      return node.data("label").slice(1) + " more pruned at step " + node.data("t") + "; Text lists them";
    }
    const edge = node.incomers("edge");
    const probability = edge.length ? ", " + edge[0].data("p") + " percent" : "";
    const kind = node.hasClass("pruned") ? ", pruned" : node.hasClass("best") ? ", in the chosen translation" : "";
    return node.data("label") + probability + kind;
  }

  function setCursor(cy, node) {
    cy.nodes(".cursor").removeClass("cursor");
    node.addClass("cursor");
    document.getElementById("tree-cursor").textContent = describe(node);
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

  function walk(event) {
    const cy = scope.graph(TREE);
    if (!cy || !cy.nodes().length) {
      return;
    }
    const cursor = cy.nodes(".cursor").length ? cy.nodes(".cursor")[0] : cy.getElementById("0");
    if (event.key === "Enter") {
      force(cursor);
    } else if (event.key.startsWith("Arrow")) {
      const next = neighbor(cy, cursor, event.key);
      setCursor(cy, next.length ? next[0] : cursor);
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
    const box = cy.elements().boundingBox({ includeOverlays: false });
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

  scope.whenThere(
    () => scope.graph(TREE),
    (cy) => {
      const drawing = document.querySelector(".tree-drawing");
      cy.on("tap", "node", (event) => force(event.target));
      cy.on("mouseover", "node", (event) => {
        const node = event.target;
        const inert = node.id() === "0" || node.hasClass("group");
        drawing.style.cursor = inert ? "" : "pointer";
        scope.tip(describe(node).replace(" percent", " %") + (inert ? "" : " · click: decode from here"));
      });
      cy.on("mouseout", "node", () => {
        drawing.style.cursor = "";
        scope.tip("");
      });
      drawing.addEventListener("keydown", walk);
      drawing.addEventListener("wheel", (event) => scroll(cy, event), { passive: false, capture: true });
      // A new tree is shown from its start; what the analyst zoomed and moved stays while the tree stays.
      let pending = null;
      const refit = () => {
        clearTimeout(pending);
        pending = setTimeout(() => fit(cy, LEGIBLE.shown), 20);
      };
      cy.on("add remove position", refit);
      // A node that is removed under the pointer sends no mouseout.
      cy.on("remove", () => scope.tip(""));
      new ResizeObserver(() => {
        cy.resize();
        refit();
      }).observe(drawing);
      document.fonts.ready.then(() => cy.style().update());
    }
  );

  /* The canvas of the links must keep its scale: its ends stand under words. */
  scope.whenThere(
    () => scope.graph(LINKS),
    (cy) => {
      const pin = () => {
        cy.resize();
        cy.viewport({ zoom: 1, pan: { x: 0, y: 0 } });
      };
      new ResizeObserver(pin).observe(document.getElementById(LINKS));
      cy.on("mouseover", "edge", (event) => scope.hoverLink(event.target));
      cy.on("mouseout", "edge", () => scope.hoverLink(null));
    }
  );
})();
