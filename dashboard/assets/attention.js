/* Attention mode: the draft of an override, made and shown here; only Apply sends it up. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const EMPTY = { step: null, weights: {} };
  let draft = EMPTY;

  function word(side, index) {
    const element = document.querySelector('.words [data-side="' + side + '"][data-index="' + index + '"]');
    return element ? element.textContent : "";
  }

  function setDraft(next) {
    draft = next;
    scope.send("attention-draft", next);
    showDraft();
  }

  /** A click on a word in attention mode: a target word starts a draft, a source word gets one more share. */
  scope.draftClick = function (clicked) {
    if (document.getElementById("page-body").dataset.mode !== "attention") {
      return false;
    }
    if (clicked.side === "target") {
      setDraft({ step: clicked.index, weights: {} });
      return false;
    }
    if (draft.step !== null) {
      const weights = Object.assign({}, draft.weights);
      weights[clicked.index] = (weights[clicked.index] || 0) + 1;
      setDraft({ step: draft.step, weights: weights });
    }
    return true;
  };

  function shares() {
    const total = Object.values(draft.weights).reduce((sum, weight) => sum + weight, 0);
    return Object.entries(draft.weights).map(([source, weight]) => [Number(source), weight / total]);
  }

  function drawBadges(parts) {
    document.querySelectorAll(".source-words [data-share]").forEach((chip) => chip.removeAttribute("data-share"));
    parts.forEach(([source, share]) => {
      const chip = document.querySelector('.source-words [data-index="' + source + '"]');
      if (chip) {
        chip.setAttribute("data-share", Math.round(100 * share));
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

  function drawLinks(parts) {
    const cy = scope.graph("translation-links");
    if (!cy) {
      return;
    }
    cy.batch(() => {
      cy.edges(".draft").remove();
      cy.edges(".off").removeClass("off");
      if (!parts.length) {
        return;
      }
      const target = cy.getElementById("t" + draft.step);
      target.connectedEdges().addClass("off");
      const bend = JSON.parse(document.querySelector(".links-drawing").dataset.bend);
      parts.forEach(([source, share]) => {
        const start = cy.getElementById("s" + source);
        const from = start.position();
        const to = target.position();
        const points = curve(to.x - from.x, to.y - from.y, bend);
        const data = { id: source + "-" + draft.step + "-draft", source: start.id(), target: target.id() };
        cy.add({ group: "edges", data: Object.assign(data, points, { w: 100 * share }), classes: "draft" });
      });
    });
  }

  function spell(parts) {
    if (draft.step === null) {
      return "Choose a target word, then click source words; each click adds weight.";
    }
    const name = "“" + word("target", draft.step) + "” at step " + (draft.step + 1);
    if (!parts.length) {
      return name + ": click the source words it should attend to.";
    }
    const list = parts.map(([source, share]) => "“" + word("source", source) + "” " + Math.round(100 * share) + " %");
    return name + " attends to " + list.join(", ");
  }

  function showDraft() {
    const parts = shares();
    document.querySelectorAll(".target-words .drafted").forEach((chip) => chip.classList.remove("drafted"));
    const chip = document.querySelector('.target-words [data-index="' + draft.step + '"]');
    if (chip) {
      chip.classList.add("drafted");
    }
    drawBadges(parts);
    drawLinks(parts);
    scope.set("attention-sentence", { children: spell(parts) });
    scope.set("attention-apply", { disabled: parts.length === 0 });
  }

  scope.offer({
    showMode: function (mode) {
      document.getElementById("page-body").dataset.mode = mode;
      setDraft(EMPTY);
      return mode !== "attention";
    },
  });
})();
