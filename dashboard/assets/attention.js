/* Attention mode: the draft of an override, made and shown here; only Apply sends it up. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const EMPTY = { step: null, weights: {} };

  function chip(pane, side, index) {
    return pane.root.querySelector('.words [data-side="' + side + '"][data-index="' + index + '"]');
  }

  function word(pane, side, index) {
    const element = chip(pane, side, index);
    return element ? element.textContent : "";
  }

  scope.setDraft = function (pane, draft) {
    pane.draft = draft;
    showDraft(pane);
  };

  /** A click on a word in attention mode: a target word starts a draft, a source word gets one more share. */
  scope.draftClick = function (pane, clicked) {
    if (pane.options.mode !== "attention") {
      return false;
    }
    if (clicked.side === "target") {
      scope.setDraft(pane, { step: clicked.index, weights: {} });
      return false;
    }
    if (pane.draft.step !== null) {
      const weights = Object.assign({}, pane.draft.weights);
      weights[clicked.index] = (weights[clicked.index] || 0) + 1;
      scope.setDraft(pane, { step: pane.draft.step, weights: weights });
    }
    return true;
  };

  /** Begin or leave attention mode; either way there is no draft. */
  scope.showMode = function (pane) {
    const mode = pane.options.mode || "words";
    if (pane.root.dataset.mode !== mode) {
      pane.root.dataset.mode = mode;
      pane.find("attention-panel").hidden = mode !== "attention";
      scope.setDraft(pane, EMPTY);
    }
  };

  function shares(draft) {
    const total = Object.values(draft.weights).reduce((sum, weight) => sum + weight, 0);
    return Object.entries(draft.weights).map(([source, weight]) => [Number(source), weight / total]);
  }

  function drawBadges(pane, parts) {
    pane.root.querySelectorAll(".source-words [data-share]").forEach((one) => one.removeAttribute("data-share"));
    parts.forEach(([source, share]) => {
      const element = chip(pane, "source", source);
      if (element) {
        element.setAttribute("data-share", Math.round(100 * share));
      }
    });
  }

  /* The same S as `curve_data` in dashboard/drawing/links.py draws, whose two numbers are `bend`. */
  function curve(dx, height, bend) {
    const squared = dx * dx + height * height;
    const across = ((bend.down - bend.aside) * dx * height) / Math.sqrt(squared);
    const along = (bend.aside * dx * dx + bend.down * height * height) / squared;
    return { d: [across, -across], c: [along, 1 - along] };
  }

  function drawLinks(pane, parts) {
    const holder = pane.find("translation-links");
    const cy = scope.graphIn(holder);
    if (!cy) {
      return;
    }
    cy.batch(() => {
      cy.edges(".draft").remove();
      cy.edges(".off").removeClass("off");
      if (!parts.length) {
        return;
      }
      const target = cy.getElementById("t" + pane.draft.step);
      target.connectedEdges().addClass("off");
      const bend = JSON.parse(holder.dataset.bend);
      parts.forEach(([source, share]) => {
        const start = cy.getElementById("s" + source);
        const from = start.position();
        const to = target.position();
        const points = curve(to.x - from.x, to.y - from.y, bend);
        const data = { id: source + "-" + pane.draft.step + "-draft", source: start.id(), target: target.id() };
        cy.add({ group: "edges", data: Object.assign(data, points, { w: 100 * share }), classes: "draft" });
      });
    });
  }

  function spell(pane, parts) {
    if (pane.draft.step === null) {
      return "Choose a target word, then click source words; each click adds weight.";
    }
    const name = "“" + word(pane, "target", pane.draft.step) + "” at step " + (pane.draft.step + 1);
    if (!parts.length) {
      return name + ": click the source words it should attend to.";
    }
    const list = parts.map(
      ([source, share]) => "“" + word(pane, "source", source) + "” " + Math.round(100 * share) + " %"
    );
    return name + " attends to " + list.join(", ");
  }

  function showDraft(pane) {
    const parts = shares(pane.draft);
    pane.root.querySelectorAll(".target-words .drafted").forEach((one) => one.classList.remove("drafted"));
    const drafted = chip(pane, "target", pane.draft.step);
    if (drafted) {
      drafted.classList.add("drafted");
    }
    drawBadges(pane, parts);
    drawLinks(pane, parts);
    pane.find("attention-sentence").textContent = spell(pane, parts);
    pane.find("attention-apply").disabled = parts.length === 0;
  }

  /* The override is of the layer and head that someone picked; null for all. */
  function wishOf(pane) {
    const weights = Object.entries(pane.draft.weights).map(([source, weight]) => [Number(source), weight]);
    const picked = (value) => (/^\d+$/.test(value) ? Number(value) : null);
    const place = { layer: picked(pane.options.layer), head: picked(pane.options.head) };
    return Object.assign({ verb: "attend", step: pane.draft.step, weights: weights }, place);
  }

  document.addEventListener("click", (event) => {
    const pane = scope.paneOf(event.target);
    if (event.target.closest('[data-role="attention-reset"]')) {
      scope.setDraft(pane, EMPTY);
    } else if (event.target.closest('[data-role="attention-apply"]')) {
      pane.wish(wishOf(pane));
    }
  });
})();
