/* The strip of the history: the branch on view, from its beginning to where redo leads. */
(function () {
  "use strict";
  const scope = window.beamscope;

  /** A change of score as people read it: with its sign, and nothing for a change that cannot be seen. */
  scope.writeGain = function (gain) {
    if (gain === null) {
      return "";
    }
    const written = Math.abs(gain).toFixed(2);
    return written === "0.00" ? "±0" : (gain < 0 ? "−" : "+") + written;
  };

  /** The name that the analyst gave, else what the moment changed. */
  scope.nameOf = (moment) => moment.name || moment.label;

  /* The pinned moment is the pivot; while one is pinned, the shown one is what is compared with it. */
  scope.lookOf = function (pane, index) {
    const here = index === pane.past.current ? " here" : "";
    const pinned = index === pane.pinned() ? " pinned" : "";
    return here + pinned;
  };

  /** The node before a moment: an arrow, and where several branches leave its parent, which of them it is. */
  function joint(past, below, index) {
    const parent = past.moments[index].parent;
    const beside = parent === null ? [index] : below[parent];
    if (parent === null) {
      return ["span", { class: "joint" }, []];
    }
    if (beside.length === 1) {
      return ["span", { class: "joint" }, ["›"]];
    }
    const place = beside.indexOf(index) + 1 + "/" + beside.length;
    return ["span", { class: "joint", title: "Branch " + place.replace("/", " of ") + " from here" }, [place + " ›"]];
  }

  function chip(pane, index) {
    const moment = pane.past.moments[index];
    const here = index === pane.past.current;
    const gain = scope.writeGain(scope.past.gain(pane.past, index));
    const attributes = {
      class: "moment" + scope.lookOf(pane, index),
      "data-moment": String(index),
      "aria-current": here ? "true" : "false",
      "data-gain": gain || null,
      title: moment.text || null,
    };
    const star = moment.star ? [["span", { class: "starred", "aria-hidden": "true" }, ["★"]]] : [];
    return ["button", attributes, [...star, scope.nameOf(moment)]];
  }

  function drawStrip(pane, strip) {
    const past = pane.past;
    const below = scope.past.children(past);
    const nodes = scope.past
      .way(past)
      .map((index) => ["span", { role: "listitem" }, [joint(past, below, index), chip(pane, index)]]);
    scope.draw(strip, nodes);
    // After the frame: scrolling lays out the whole page, which would be laid out again for what is drawn next.
    scope.afterPaint(() => {
      const here = strip.querySelector(".here");
      if (here) {
        here.scrollIntoView({ block: "nearest", inline: "nearest" });
      }
    });
  }

  function allow(role, target) {
    const button = scope.byRole(document, role);
    if (button) {
      button.disabled = target === null;
    }
  }

  /** Draw the history of a pane in the frame of the page. */
  scope.drawHistory = function (pane) {
    const strip = pane.find("history-strip");
    if (strip) {
      drawStrip(pane, strip);
      allow("header-undo", scope.past.before(pane.past));
      allow("header-redo", scope.past.after(pane.past));
      scope.byRole(document, "history-toggle").textContent = "Tree " + pane.past.moments.length;
      scope.drawHistoryTree(pane);
      scope.drawGuide(pane);
      scope.keepSession(pane);
    }
  };

  /** Most moments that a history keeps. */
  scope.mostMoments = () => Number(scope.byRole(document, "history-strip").dataset.most);

  /** The wish that shows a moment, beside the one that it is to be compared with. */
  scope.wishOf = function (past, index) {
    const moment = past.moments[index];
    const beside = past.moments[moment.beside];
    const state = beside ? Object.assign({}, moment.state, { pinned: beside.state }) : moment.state;
    return { verb: "show", state: state, model_hash: moment.model_hash };
  };

  /** Show a moment of the history. */
  scope.revisit = (pane, index) => pane.wish(scope.wishOf(pane.past, index));

  document.addEventListener("click", (event) => {
    const button = event.target.closest("button[data-moment]");
    if (button) {
      scope.revisit(scope.active(), Number(button.dataset.moment));
    }
  });
})();
