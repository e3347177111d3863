/* Attention mode: a draft of overrides, made and shown here; only Apply sends it up.

   A draft has a row for each step that is weighed, and the step that is weighed now. A row has the weights of source
   positions, the weight that one click adds, and, while it is as a button left it, the wish of that button. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const EMPTY = { step: null, rows: {} };
  const MOST_NAMED = 4;
  /* Before the number of a step of the pinned answer. */
  const BESIDE = "beside-";
  const CLICKS_OF_A_WHOLE = 4;

  function chip(pane, side, index) {
    return pane.root.querySelector('.words [data-side="' + side + '"][data-index="' + index + '"]');
  }

  function word(pane, side, index) {
    const element = chip(pane, side, index);
    return element ? element.textContent : "";
  }

  function rowOf(draft) {
    return draft.rows[draft.step] || { weights: {}, unit: 1, wish: null };
  }

  scope.setDraft = function (pane, draft) {
    pane.draft = draft;
    showDraft(pane);
  };

  /* The draft with another row for the step that is weighed. */
  function setRow(pane, row) {
    const rows = Object.assign({}, pane.draft.rows, { [pane.draft.step]: row });
    scope.setDraft(pane, { step: pane.draft.step, rows: rows });
  }

  function setWeights(pane, weights, wish) {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    setRow(pane, { weights: weights, unit: total / CLICKS_OF_A_WHOLE || 1, wish: wish || null });
  }

  function beginStep(pane, step) {
    scope.setDraft(pane, { step: step, rows: pane.draft.rows });
    askOwn(pane, step);
  }

  /** A click on a word in attention mode: a target word is weighed, a source word gets one more share of it. */
  scope.draftClick = function (pane, clicked) {
    if (pane.options.mode !== "attention") {
      return false;
    }
    if (clicked.side === "target") {
      beginStep(pane, clicked.index);
      return false;
    }
    if (pane.draft.step !== null) {
      const row = rowOf(pane.draft);
      const weights = Object.assign({}, row.weights);
      weights[clicked.index] = (weights[clicked.index] || 0) + row.unit;
      setRow(pane, { weights: weights, unit: row.unit, wish: null });
    }
    return true;
  };

  /** Go to attention mode with a draft of a step. */
  scope.draftAttention = function (pane, step) {
    pane.setMode("attention");
    if (pane.options.mode === "attention") {
      beginStep(pane, step);
    }
  };

  /** Show the mode of a pane by its switch and its panel. Another mode than before begins without a draft. */
  scope.showMode = function (pane) {
    const mode = pane.options.mode;
    scope.setControl(pane.find("translation-mode"), { value: mode });
    if (pane.root.dataset.mode !== mode) {
      pane.root.dataset.mode = mode;
      pane.find("attention-panel").hidden = mode !== "attention";
      scope.setDraft(pane, EMPTY);
    }
  };

  /* Layer and head that an override is for, null for all: as chosen beside Apply, else those that are drawn because
     someone picked them. */
  function placeOf(pane) {
    const picked = (value) => (/^\d+$/.test(value) ? Number(value) : null);
    const drawn = [picked(pane.options.layer), picked(pane.options.head)];
    if (pane.scope && pane.scope.drawn === drawn.join(".")) {
      return readPlace(pane.scope.value);
    }
    return { layer: drawn[0], head: drawn[1] };
  }

  function readPlace(value) {
    const [layer, head] = value.split(".").map((part) => (part === "" ? null : Number(part)));
    return { layer: layer, head: head };
  }

  function writePlace(place) {
    return [place.layer, place.head].map((part) => (part === null ? "" : part)).join(".");
  }

  async function askAttention(pane, step, place, beside) {
    const asked = { layer: place.layer === null ? "mean" : place.layer, head: place.head === null ? "mean" : place.head };
    const question = pane.question(null);
    Object.assign(question, { selection: { side: "target", index: step }, held: {}, beside: Boolean(beside) });
    Object.assign(question.options, asked);
    const answer = await scope.call("attention", question);
    if (answer && answer.notice) {
      scope.notify(answer.notice.kind, answer.notice.text);
    }
    if (answer && answer.beside) {
      pane.beside = answer.beside;
    }
    return answer && answer.weights ? answer.weights : null;
  }

  function asWeights(list) {
    return Object.fromEntries(list.map((weight, index) => [index, weight]).filter((pair) => pair[1] > 0));
  }

  /* The model's own attention, which the sliders show until something is weighed. */
  async function askOwn(pane, step) {
    const state = JSON.stringify(pane.state);
    const weights = await askAttention(pane, step, placeOf(pane));
    if (weights && JSON.stringify(pane.state) === state && pane.draft.step === step) {
      pane.own = { step: step, weights: asWeights(weights) };
      drawSliders(pane);
      drawChoices(pane);
    }
  }

  function ownWeights(pane) {
    return pane.own && pane.own.step === pane.draft.step ? pane.own.weights : {};
  }

  function sharesOf(weights) {
    const total = Object.values(weights).reduce((sum, weight) => sum + weight, 0);
    return Object.entries(weights)
      .filter((pair) => pair[1] > 0)
      .map(([source, weight]) => [Number(source), weight / total]);
  }

  function shares(draft) {
    return sharesOf(rowOf(draft).weights);
  }

  /* One word gets a share of a whole; the others share what is left as they did before. */
  function setShare(pane, index, share) {
    const before = Object.keys(rowOf(pane.draft).weights).length ? rowOf(pane.draft).weights : ownWeights(pane);
    const others = sharesOf(Object.assign({}, before, { [index]: 0 }));
    const weights = Object.fromEntries(others.map(([source, other]) => [source, other * (1 - share)]));
    setWeights(pane, Object.assign(weights, { [index]: others.length ? share : 1 }));
  }

  function drawBadges(pane, parts) {
    pane.root.querySelectorAll(".source-words [data-share]").forEach((one) => one.removeAttribute("data-share"));
    parts.forEach(([source, share]) => {
      const element = chip(pane, "source", source);
      if (element && Math.round(100 * share) > 0) {
        element.setAttribute("data-share", Math.round(100 * share));
      }
    });
  }

  function makeSlider(box) {
    const slider = document.createElement("input");
    Object.assign(slider, { type: "range", min: 0, max: 100, step: 1, className: "weight" });
    slider.dataset.source = box.dataset.index;
    slider.setAttribute("aria-label", "Weight of " + box.textContent + ", percent");
    slider.style.left = box.style.left;
    slider.style.width = box.style.width;
    return slider;
  }

  /* One slider for each source word, made anew only where the words are others. */
  function drawSliders(pane) {
    const holder = pane.find("attention-sliders");
    const boxes = pane.draft.step === null ? [] : Array.from(pane.find("translation-source-words").children);
    const key = boxes.map((box) => box.textContent + box.style.cssText).join("|");
    if (holder.dataset.key !== key) {
      holder.dataset.key = key;
      holder.replaceChildren(...boxes.map(makeSlider));
    }
    const weighed = shares(pane.draft);
    const values = Object.fromEntries(weighed.length ? weighed : sharesOf(ownWeights(pane)));
    holder.classList.toggle("own", !weighed.length);
    Array.from(holder.children).forEach((slider, index) => {
      slider.value = Math.round(100 * (values[index] || 0));
      slider.style.setProperty("--p", slider.value);
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

  function nameStep(pane, step) {
    return "“" + word(pane, "target", step) + "” at step " + (step + 1);
  }

  function spell(pane, parts) {
    if (pane.draft.step === null) {
      return "Choose a target word, then click source words or move their sliders; each click adds weight.";
    }
    const name = nameStep(pane, pane.draft.step);
    if (!parts.length) {
      return name + ": click the source words it should attend to.";
    }
    const most = parts.length > MOST_NAMED ? parts.slice().sort((a, b) => b[1] - a[1]).slice(0, MOST_NAMED) : parts;
    const list = most.map(([source, share]) => "“" + word(pane, "source", source) + "” " + Math.round(100 * share) + " %");
    const more = parts.length > most.length ? " and " + (parts.length - most.length) + " more" : "";
    return name + " attends to " + list.join(", ") + more;
  }

  function weighedSteps(draft) {
    const steps = Object.keys(draft.rows).filter((step) => sharesOf(draft.rows[step].weights).length);
    return steps.map(Number).sort((a, b) => a - b);
  }

  /* The other steps of the draft; a click takes one out. */
  function drawSteps(pane) {
    const others = weighedSteps(pane.draft).filter((step) => step !== pane.draft.step);
    const chips = others.map((step) => {
      const spoken = { class: "condition", "data-drop": String(step), "aria-label": "Leave out " + nameStep(pane, step) };
      return ["button", spoken, [nameStep(pane, step), ["span", { class: "cross", "aria-hidden": "true" }, ["×"]]]];
    });
    scope.draw(pane.find("attention-steps"), others.length ? ["also ", ...chips] : []);
  }

  function option(value, text) {
    const element = document.createElement("option");
    Object.assign(element, { value: value, textContent: text });
    return element;
  }

  function listPlaces(layers, heads, all) {
    const numbers = (count) => Array.from({ length: count }, (_, index) => index);
    const places = [[".", all]];
    numbers(layers > 1 ? layers : 0).forEach((layer) => places.push([layer + ".", "layer " + (layer + 1)]));
    numbers(heads > 1 && layers > 1 ? heads : 0).forEach((head) => {
      places.push(["." + head, "head " + (head + 1) + " of every layer"]);
    });
    numbers(heads > 1 ? layers : 0).forEach((layer) => {
      numbers(heads).forEach((head) => places.push([layer + "." + head, "layer " + (layer + 1) + " head " + (head + 1)]));
    });
    return places.map(([value, text]) => option(value, text));
  }

  function makeChoice(name, label) {
    const choice = document.createElement("select");
    choice.className = "choice";
    choice.dataset.choice = name;
    choice.setAttribute("aria-label", label);
    choice.title = label;
    return choice;
  }

  /* The steps of the pinned answer. */
  function groupOf(pinned) {
    const group = document.createElement("optgroup");
    group.label = "Pinned answer";
    group.append(...pinned.map((name, step) => option(BESIDE + step, step + 1 + " " + name)));
    return pinned.length ? [group] : [];
  }

  /* Lists of steps to copy from, of their layers and heads, and of those to override. */
  function drawChoices(pane) {
    const holder = pane.find("attention-choices");
    if (!holder.children.length) {
      holder.append(
        makeChoice("copy-step", "Copy the attention of a step"),
        makeChoice("copy-place", "Layer and head to copy from"),
        makeChoice("scope", "Layers and heads to override")
      );
    }
    const [steps, from, to] = holder.children;
    const { layers, heads } = holder.dataset;
    if (holder.dataset.key !== layers + "." + heads) {
      holder.dataset.key = layers + "." + heads;
      from.replaceChildren(...listPlaces(Number(layers), Number(heads), "mean of all"));
      to.replaceChildren(...listPlaces(Number(layers), Number(heads), "in all layers and heads"));
    }
    const words = Array.from(pane.find("translation-target-words").children);
    const names = words.map((box, step) => step + 1 + " " + box.textContent);
    const pinned = (pane.state && pane.state.pinned && pane.beside) || [];
    const key = names.join("|") + "||" + pinned.join("|");
    if (steps.dataset.key !== key) {
      steps.dataset.key = key;
      steps.replaceChildren(option("", "Copy from…"), ...names.map((name, step) => option(String(step), name)), ...groupOf(pinned));
    }
    const { wish } = rowOf(pane.draft);
    const copies = wish && wish.from_step !== undefined && (wish.beside || wish.from_step !== pane.draft.step);
    steps.value = copies ? (wish.beside ? BESIDE : "") + wish.from_step : "";
    steps.disabled = pane.draft.step === null;
    from.hidden = to.hidden = layers * heads <= 1;
    to.value = writePlace(placeOf(pane));
  }

  function showDraft(pane) {
    const parts = shares(pane.draft);
    const steps = weighedSteps(pane.draft);
    pane.root.querySelectorAll(".target-words .drafted").forEach((one) => one.classList.remove("drafted"));
    [...steps, pane.draft.step].forEach((step) => {
      const drafted = chip(pane, "target", step);
      if (drafted) {
        drafted.classList.add("drafted");
      }
    });
    drawBadges(pane, parts);
    drawLinks(pane, parts);
    pane.find("attention-sentence").textContent = spell(pane, parts);
    pane.find("attention-apply").disabled = steps.length === 0;
    pane.find("attention-apply").textContent = steps.length > 1 ? "Apply " + steps.length + " steps" : "Apply";
    if (pane.options.mode === "attention") {
      pane.find("attention-panel").querySelectorAll("[data-fill]").forEach((one) => {
        one.disabled = pane.draft.step === null;
      });
      drawSteps(pane);
      drawSliders(pane);
      drawChoices(pane);
    }
  }

  function overrideOf(pane, step) {
    const weights = Object.entries(pane.draft.rows[step].weights).map(([source, weight]) => [Number(source), weight]);
    return Object.assign({ verb: "attend", step: step, weights: weights }, placeOf(pane));
  }

  /* One step is the wish that made it; several are one wish. */
  function wishOf(pane) {
    const steps = weighedSteps(pane.draft);
    if (steps.length > 1) {
      return { verb: "attend_steps", overrides: steps.map((step) => overrideOf(pane, step)) };
    }
    const made = pane.draft.rows[steps[0]].wish;
    return made ? Object.assign({}, made, placeOf(pane)) : overrideOf(pane, steps[0]);
  }

  function fillEvenly(pane) {
    const boxes = Array.from(pane.find("translation-source-words").children);
    const weights = Object.fromEntries(boxes.map((_, index) => [index, 1]));
    setWeights(pane, weights, { verb: "attend_evenly", step: pane.draft.step });
  }

  async function fillFrom(pane, from, place, beside) {
    const step = pane.draft.step;
    const weights = await askAttention(pane, from, place, beside);
    if (weights && pane.draft.step === step) {
      const wish = { verb: "copy_attention", step: step, from_step: from, from_layer: place.layer, from_head: place.head };
      setWeights(pane, asWeights(weights), beside ? Object.assign(wish, { beside: true }) : wish);
    } else {
      drawChoices(pane);
    }
  }

  const FILLS = {
    even: fillEvenly,
    own: (pane) => fillFrom(pane, pane.draft.step, placeOf(pane)),
  };

  function drop(pane, step) {
    const rows = Object.assign({}, pane.draft.rows);
    delete rows[step];
    scope.setDraft(pane, { step: pane.draft.step, rows: rows });
  }

  document.addEventListener("click", (event) => {
    const pane = scope.paneOf(event.target);
    const fill = event.target.closest("[data-fill]");
    const dropped = event.target.closest("[data-drop]");
    if (fill) {
      FILLS[fill.dataset.fill](pane);
    } else if (dropped) {
      drop(pane, dropped.dataset.drop);
    } else if (event.target.closest('[data-role="attention-reset"]')) {
      scope.setDraft(pane, EMPTY);
    } else if (event.target.closest('[data-role="attention-apply"]')) {
      pane.wish(wishOf(pane));
    }
  });

  document.addEventListener("input", (event) => {
    if (event.target.matches(".weight")) {
      setShare(scope.paneOf(event.target), Number(event.target.dataset.source), Number(event.target.value) / 100);
    }
  });

  document.addEventListener("change", (event) => {
    const name = event.target.dataset ? event.target.dataset.choice : undefined;
    const pane = name && scope.paneOf(event.target);
    if (name === "scope") {
      const picked = (value) => (/^\d+$/.test(value) ? Number(value) : null);
      pane.scope = { value: event.target.value, drawn: [picked(pane.options.layer), picked(pane.options.head)].join(".") };
    } else if (name && pane.draft.step !== null) {
      const [steps, from] = pane.find("attention-choices").children;
      // Without another step, another layer or head is of the step itself.
      const beside = steps.value.startsWith(BESIDE);
      const step = steps.value === "" ? pane.draft.step : Number(steps.value.replace(BESIDE, ""));
      fillFrom(pane, step, readPlace(from.value), beside);
    }
  });

  /* Two clicks on a source word: all of the attention. */
  document.addEventListener("dblclick", (event) => {
    const box = event.target.closest('.source-words [data-side="source"]');
    const pane = box && scope.paneOf(box);
    if (box && pane.options.mode === "attention" && pane.draft.step !== null) {
      setRow(pane, { weights: { [box.dataset.index]: 1 }, unit: 1, wish: null });
    }
  });
})();
