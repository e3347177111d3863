/* Many what-ifs of the shown answer, asked for part by part: a bar shows how far they are, and they can be stopped. What was
   found stays with the answer that it is about, and is shown again when that answer is. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const TRIALS_AT_ONCE = 24;
  const ATTENTION_AT_ONCE = 128;
  const KEPT = 12;
  const LISTED = 60;
  const ATTENTION_LISTED = 8;
  const found = new Map();
  let running = null;

  function percent(share) {
    return Math.round(100 * share) + " %";
  }

  function signed(value) {
    const text = Math.abs(value).toFixed(3);
    return Number(text) === 0 ? text : (value < 0 ? "−" : "+") + text;
  }

  function quote(text) {
    return "“" + text + "”";
  }

  function askedOf(state) {
    return { request: state.request, hypothesis: state.hypothesis };
  }

  function keyOf(state) {
    return JSON.stringify(askedOf(state));
  }

  /* The answers that were tried last are kept. */
  function keep(state, result) {
    const key = keyOf(state);
    found.delete(key);
    found.set(key, result);
    if (found.size > KEPT) {
      found.delete(found.keys().next().value);
    }
  }

  async function post(call, body, signal) {
    const response = await fetch("api/v1/" + call, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify(body),
      signal: signal,
    });
    const answer = await response.json().catch(() => ({}));
    if (!response.ok) {
      throw new Error(answer.error || "The server refused this (" + response.status + ").");
    }
    return answer;
  }

  function say(pane, text, share) {
    pane.find("what-ifs-status").textContent = text;
    pane.find("what-ifs-bar").style.setProperty("--done", share === undefined ? 0 : share);
    pane.find("what-ifs-stop").hidden = share === undefined;
  }

  function stop() {
    if (running) {
      running.stopping.abort();
      running = null;
    }
  }

  /** Whether what-ifs are being tried. */
  scope.isTrying = () => running !== null;

  /* Run one kind of trial; a newer one stops it. The work returns what to say in the end. */
  async function run(pane, text, work) {
    stop();
    show(pane);
    const mine = (running = { stopping: new AbortController() });
    say(pane, text, 0);
    let last = "Stopped.";
    try {
      last = await work(mine.stopping.signal);
    } catch (error) {
      last = error.name === "AbortError" ? last : error instanceof TypeError ? "The server does not answer." : error.message;
    }
    if (running === mine || running === null) {
      running = null;
      say(pane, last);
    }
  }

  /* Ask for all parts of a list; ``take`` gets each part. */
  async function askInParts(pane, call, asked, size, text, take, signal) {
    let done = 0;
    let total = 1;
    while (done < total) {
      const part = await post(call, Object.assign({ first: done, count: size }, asked), signal);
      total = part.total;
      done = Math.min(total, done + size);
      say(pane, text + ": " + done + " of " + total, total ? done / total : 1);
      take(part);
    }
    return total;
  }

  /* Other words, heads, and near words in place of one word */

  function order(one, other) {
    const refused = Boolean(one.reason) - Boolean(other.reason);
    const size = other.changed_share - one.changed_share;
    return refused || size || Math.abs(other.score_change) - Math.abs(one.score_change);
  }

  function tryAll(pane, kind, name, more) {
    const state = pane.state;
    const before = found.get(keyOf(state));
    const result = { kind: kind, trials: [], heat: new Map(before && before.kind === kind ? before.heat : []) };
    const asked = Object.assign({ kinds: [kind] }, more, askedOf(state));
    return run(pane, name, async (signal) => {
      const take = (part) => {
        result.trials = result.trials.concat(part.trials).sort(order);
        measurePlaces(result.trials).forEach((share, place) => result.heat.set(place, share));
        keep(state, result);
        scope.showTrials(pane);
      };
      const total = await askInParts(pane, "what-ifs", asked, TRIALS_AT_ONCE, name, take, signal);
      const changing = result.trials.filter((trial) => trial.changed_share > 0).length;
      return total ? changing + " of " + total + " what-ifs change the words." : "There is nothing to try.";
    });
  }

  /** Try every near word in place of a word of the source or target. */
  scope.tryNearWords = function (pane, word) {
    const box = word && boxOf(pane, word.side, word.index);
    const place = box && Number(word.side === "source" ? box.dataset.word : word.index);
    if (!box || Number.isNaN(place)) {
      stop();
      show(pane);
      scope.draw(pane.find("what-ifs-found"), []);
      say(pane, box ? "This token stands for no text." : "Choose a word of the source or target first.");
      return;
    }
    const name = "Near words of " + quote(box.dataset.text || box.textContent);
    tryAll(pane, "substitutes", name, { substitutes: { side: word.side, word: place } });
  };

  function drawTrial(trial) {
    const share = ["span", { class: "trial-share", style: "--share:" + Math.round(100 * trial.changed_share) }, [percent(trial.changed_share)]];
    const words = ["span", { class: "trial-words" }, [trial.words]];
    if (trial.reason) {
      return ["div", { class: "trial-row" }, [words, ["span", { class: "trial-text" }, [trial.reason]]]];
    }
    const title = "Words changed " + percent(trial.changed_share) + ", score " + signed(trial.score_change);
    const parts = [share, words, ["span", { class: "trial-score" }, [signed(trial.score_change)]], ["span", { class: "trial-text", dir: "auto" }, [trial.text]]];
    return ["button", { class: "trial-row", title: title, "data-wish": JSON.stringify(trial.wish) }, parts];
  }

  function drawTrials(result) {
    const shown = result.trials.slice(0, LISTED).map(drawTrial);
    const more = result.trials.length - shown.length;
    return more > 0 ? shown.concat([["p", { class: "note" }, ["… and " + more + " that change less"]]]) : shown;
  }

  /* The word that a trial writes anew; null where it changes none. */
  function placeOf(wish) {
    return wish.verb === "substitute" ? "source " + wish.word : wish.step === undefined ? null : "target " + wish.step;
  }

  /** Mean share of the words that another word changes, by the place of that word. */
  function measurePlaces(trials) {
    const sums = new Map();
    trials
      .filter((trial) => placeOf(trial.wish) !== null && !trial.reason)
      .forEach((trial) => {
        const [sum, count] = sums.get(placeOf(trial.wish)) || [0, 0];
        sums.set(placeOf(trial.wish), [sum + trial.changed_share, count + 1]);
      });
    return new Map(Array.from(sums, ([place, [sum, count]]) => [place, sum / count]));
  }

  function drawHeat(pane, shares) {
    const rows = ["source", "target"].map((side) => pane.find("translation-" + side + "-words"));
    rows.flatMap((row) => Array.from(row.querySelectorAll("button[data-side]"))).forEach((word) => {
      const side = word.dataset.side;
      const share = shares.get(side + " " + (side === "source" ? word.dataset.word : word.dataset.index));
      if (share === undefined) {
        word.removeAttribute("data-heat");
        word.removeAttribute("aria-description");
      } else {
        word.dataset.heat = Math.round(100 * share);
        word.style.setProperty("--heat", Math.round(100 * share));
        word.setAttribute("aria-description", "Another word here changes " + percent(share) + " of the words on average");
      }
    });
  }

  /* Sweep */

  function letter(place) {
    return String.fromCharCode(65 + (place % 26)) + (place >= 26 ? Math.floor(place / 26) : "");
  }

  function sweep(pane) {
    const state = pane.state;
    const text = "Sweep the search: 100 settings";
    return run(pane, text, async (signal) => {
      say(pane, text + " …", 0);
      const answer = await post("sweep", { request: state.request }, signal);
      keep(state, { kind: "sweep", sweep: answer });
      scope.showTrials(pane);
      const winners = answer.hypotheses.filter((one) => one.wins > 0).length;
      const refused = answer.refused.map((one) => " Beam " + one.beam_size + " is left out: " + one.reason).join("");
      return winners + (winners === 1 ? " sentence wins" : " sentences win") + " somewhere; " + answer.hypotheses.length + " were found." + refused;
    });
  }

  function setSearch(beam, penalty) {
    return JSON.stringify({ verb: "set_search", beam_size: beam, length_penalty: penalty });
  }

  function drawCell(answer, row, column) {
    const [beam, penalty] = [answer.beam_sizes[row], answer.length_penalties[column]];
    const winner = answer.winners[row][column];
    const place = "beam " + beam + ", length penalty " + penalty;
    const attributes = { class: "sweep-cell", title: place, "aria-label": letter(winner) + " at " + place, "data-wish": setSearch(beam, penalty) };
    return ["td", {}, [["button", Object.assign(attributes, { style: "--place:" + Math.min(winner, 5) }), [letter(winner)]]]];
  }

  function drawGrid(answer) {
    const names = answer.length_penalties.map((penalty) => ["th", { scope: "col" }, ["α " + penalty]]);
    const rows = answer.beam_sizes.map((beam, row) => [
      "tr",
      {},
      [["th", { scope: "row" }, ["beam " + beam]]].concat(answer.length_penalties.map((_, column) => drawCell(answer, row, column))),
    ]);
    return ["table", { class: "sweep-grid" }, [["thead", {}, [["tr", {}, [["td", {}, []], ...names]]]], ["tbody", {}, rows]]];
  }

  /* What happens to a hypothesis as the beam grows, under one length penalty. */
  function tell(answer, place, penalty) {
    const events = answer.events.filter((one) => one.hypothesis === place && one.length_penalty === penalty);
    const column = answer.length_penalties.indexOf(penalty);
    const listed = answer.hypotheses[place].ranks.some((row) => row[column] !== null);
    return listed ? events.map((one) => one.event + " at " + one.beam_size).join(", ") : "in none";
  }

  function drawSwept(answer) {
    const middle = answer.length_penalties[Math.floor(answer.length_penalties.length / 2)];
    const rows = answer.hypotheses.slice(0, LISTED).map((one, place) => [
      "tr",
      {},
      [
        ["th", { scope: "row" }, [letter(place)]],
        ["td", { dir: "auto" }, one.beside ? [one.text, ["span", { class: "beside-mark" }, [" kept beside"]]] : [one.text]],
        ["td", { class: "number-cell" }, [String(one.wins)]],
        ["td", { class: "sweep-events" }, [tell(answer, place, middle)]],
      ],
    ]);
    const names = ["", "hypothesis", "wins", "in the n-best list as the beam grows, α " + middle];
    const head = ["thead", {}, [["tr", {}, names.map((name) => ["th", { scope: "col" }, [name]])]]];
    return ["table", { class: "swept" }, [head, ["tbody", {}, rows]]];
  }

  /* Attention for a word */

  function orderAttention(one, other) {
    const size = one.succeeds ? one.change - other.change : one.behind - other.behind;
    return other.succeeds - one.succeeds || size;
  }

  function boxOf(pane, side, index) {
    return pane.root.querySelector('.words [data-side="' + side + '"][data-index="' + index + '"]');
  }

  function wordAt(pane, side, index) {
    const element = boxOf(pane, side, index);
    return element ? element.textContent : "";
  }

  function namePlace(pane, trial) {
    const { layer, head } = trial.wish;
    const names = ["attention on " + quote(wordAt(pane, "source", trial.position))];
    if (layer !== undefined && layer !== null) {
      names.push("layer " + (layer + 1));
    }
    if (head !== undefined && head !== null) {
      names.push("head " + (head + 1));
    }
    return names.join(", ");
  }

  /** Find the attention under which a word of the top k becomes the most probable one, and apply it. */
  scope.findAttention = function (pane, step, rank, word) {
    const state = pane.state;
    const text = "Attention for " + quote(word) + " at step " + (step + 1);
    const asked = Object.assign({ step: step, rank: rank }, askedOf(state));
    let trials = [];
    return run(pane, text, async (signal) => {
      const take = (part) => {
        trials = trials.concat(part.trials).sort(orderAttention);
      };
      const total = await askInParts(pane, "find-attention", asked, ATTENTION_AT_ONCE, text, take, signal);
      const best = trials[0];
      const listed = trials.slice(0, ATTENTION_LISTED).map((trial) => Object.assign({ name: namePlace(pane, trial) }, trial));
      keep(state, { kind: "attention", trials: listed });
      scope.showTrials(pane);
      if (!best.succeeds) {
        return "None of " + total + " makes " + quote(word) + " the most probable word; " + listed[0].name + " comes nearest: " + percent(best.probability) + ".";
      }
      pane.wish(best.wish);
      return quote(word) + " is the most probable word with " + listed[0].name + ", the smallest change of " + total + ": applied.";
    });
  };

  function drawAttention(result) {
    return result.trials.map((trial) => {
      const title = trial.succeeds ? "Makes the word the most probable one" : "The word becomes number " + (trial.rank + 1);
      const parts = [
        ["span", { class: "trial-share", style: "--share:" + Math.round(100 * trial.probability) }, [percent(trial.probability)]],
        ["span", { class: "trial-words" }, [trial.name]],
        ["span", { class: "trial-score" }, [trial.succeeds ? "✓" : ""]],
        ["span", { class: "trial-text" }, ["change of attention " + trial.change.toFixed(3)]],
      ];
      return ["button", { class: "trial-row", title: title, "data-wish": JSON.stringify(trial.wish) }, parts];
    });
  }

  /* The panel */

  const DRAWN = {
    words: drawTrials,
    heads: drawTrials,
    substitutes: drawTrials,
    attention: drawAttention,
    sweep: (result) => [drawGrid(result.sweep), drawSwept(result.sweep)],
  };

  /** Show what was found for the shown answer, and nothing where nothing was. */
  scope.showTrials = function (pane) {
    const place = pane.find("what-ifs-found");
    if (!place || !pane.state || (!found.size && !place.childNodes.length)) {
      return;
    }
    const result = found.get(keyOf(pane.state));
    scope.draw(place, result ? DRAWN[result.kind](result) : []);
    drawHeat(pane, (result && result.heat) || new Map());
  };

  function show(pane) {
    const panel = pane.find("what-ifs-panel");
    if (panel.hidden) {
      panel.hidden = false;
      panel.querySelector("[data-trial]:not([data-trial=close])").focus();
    }
  }

  function close(pane) {
    stop();
    pane.find("what-ifs-panel").hidden = true;
    const opener = pane.root.querySelector('[data-trial="open"]');
    if (opener && opener.offsetParent) {
      opener.focus();
    }
  }

  /** Offer the top k of the chosen target word; attention is then found for one of them. */
  function offerWords(pane) {
    stop();
    const card = pane.find("translation-card");
    const step = pane.selection && pane.selection.side === "target" ? pane.selection.index : null;
    const cells = card.querySelectorAll('.top-column[data-index="' + step + '"] > button');
    const words = Array.from(cells, (cell, rank) => ["button", { class: "trial", "data-step": String(step), "data-find": String(rank) }, [cell.textContent]]);
    scope.draw(pane.find("what-ifs-found"), [["div", { class: "trial-buttons" }, words]]);
    if (card.dataset.attention !== "some") {
      say(pane, "This model has no attention.");
    } else {
      say(pane, words.length ? "Find attention at step " + (step + 1) + " for which word?" : "Choose a word of the target first.");
    }
  }

  const ACTS = {
    open: show,
    close: close,
    stop: stop,
    sweep: sweep,
    words: (pane) => tryAll(pane, "words", "Other words"),
    heads: (pane) => tryAll(pane, "heads", "Heads off"),
    substitutes: (pane) => scope.tryNearWords(pane, pane.selection),
    attention: offerWords,
  };

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-trial], [data-find]");
    const pane = button && scope.paneOf(button);
    if (!pane || !pane.state) {
      return;
    }
    if (button.dataset.trial) {
      ACTS[button.dataset.trial](pane);
    } else {
      scope.findAttention(pane, Number(button.dataset.step), Number(button.dataset.find), button.textContent);
    }
  });

  /** Whether a word of the top k stands here, of a model whose attention can be changed. */
  function isWanted(pane, cell) {
    const card = pane.find("translation-card");
    return Boolean(cell) && card.contains(cell) && card.dataset.attention === "some";
  }

  function search(pane, cell) {
    const { step, rank } = scope.placeOfChoice(cell);
    scope.findAttention(pane, step, rank, cell.textContent);
  }

  document.addEventListener("keydown", (event) => {
    const pane = scope.active();
    const panel = pane && pane.find("what-ifs-panel");
    const typing = event.target.closest("input:not([type=range], [type=radio], [readonly]), textarea, select");
    if (!panel || typing || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented || !pane.state) {
      return;
    }
    const cell = event.target.closest(".top-column > button");
    if (event.key === "Escape" && !panel.hidden) {
      event.stopPropagation();
      close(pane);
    } else if (event.key === "w" && isWanted(pane, cell)) {
      search(pane, cell);
    } else if (event.key === "w") {
      show(pane);
    }
  }, true);
})();
