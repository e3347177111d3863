/* The two Cytoscape canvases: fitting the tree, walking it with the keyboard, forcing a path in it. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const TREE = "tree-graph";
  const LINKS = "translation-links";
  const MARGIN = 14;
  const LEGIBLE = 0.85;

  /** The Cytoscape instance drawn in an element, once there is one. */
  scope.graph = function (id) {
    const element = document.getElementById(id);
    return element && element._cyreg ? element._cyreg.cy : null;
  };

  /* The whole tree when asked; else as much as stays legible, from the start. The rest is reached by panning. */
  function fit(cy, smallest) {
    const box = cy.elements().boundingBox({ includeOverlays: false });
    if (!cy.nodes().length || !box.h) {
      return;
    }
    const tall = (cy.height() - 2 * MARGIN) / box.h;
    const wide = (cy.width() - 2 * MARGIN) / box.w;
    const zoom = smallest ? Math.max(Math.min(tall, 1), smallest) : Math.min(tall, wide, 1);
    cy.viewport({ zoom: zoom, pan: { x: MARGIN - box.x1 * zoom, y: MARGIN - box.y1 * zoom } });
  }

  scope.offer({
    fitTree: function () {
      fit(scope.graph(TREE), 0);
    },
  });

  function force(node) {
    if (node.id() !== "0") {
      scope.send("tree-choice", { value: node.id(), at: Date.now() });
    }
  }

  function describe(node) {
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
    const depth = (one) => one.predecessors("node").length;
    const here = node.position("y");
    return cy
      .nodes()
      .filter((one) => depth(one) === depth(node) && (down ? one.position("y") > here : one.position("y") < here))
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

  scope.whenThere(
    () => scope.graph(TREE),
    (cy) => {
      const drawing = document.querySelector(".tree-drawing");
      cy.on("tap", "node", (event) => force(event.target));
      cy.on("mouseover", "node", (event) => {
        const node = event.target;
        drawing.style.cursor = node.id() === "0" ? "" : "pointer";
        scope.tip(describe(node).replace(" percent", " %") + (node.id() === "0" ? "" : " · click: decode from here"));
      });
      cy.on("mouseout", "node", () => {
        drawing.style.cursor = "";
        scope.tip("");
      });
      drawing.addEventListener("keydown", walk);
      // A new tree is shown from its start; what the analyst zoomed and moved stays while the tree stays.
      let pending = null;
      const refit = () => {
        clearTimeout(pending);
        pending = setTimeout(() => fit(cy, LEGIBLE), 20);
      };
      cy.on("add remove position", refit);
      // What is taken away under the pointer is never left.
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
