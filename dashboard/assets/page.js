/* The frame around the panes: theme, address, notices, stages, enlarged cards, and the buttons that send wishes. */
(function () {
  "use strict";
  const root = document.documentElement;
  const scope = window.beamscope;

  scope.theme = () => root.dataset.theme || "light";

  function toggleTheme() {
    root.dataset.theme = scope.theme() === "dark" ? "light" : "dark";
    try {
      localStorage.setItem("beamscope-theme", root.dataset.theme);
    } catch (error) {
      /* private windows keep nothing */
    }
    scope.panes().forEach((pane) => {
      scope.wearTheme(pane);
      pane.change();
      pane.look();
    });
  }

  // Back, forward, and another fragment typed over this one.
  window.addEventListener("popstate", () => {
    const pane = scope.active();
    if (pane && scope.openAddress(pane, window.location.hash)) {
      return;
    }
    if (pane && (!pane.link || window.location.hash !== "#" + pane.link.fragment)) {
      pane.wish({ verb: "open", fragment: window.location.hash });
    }
  });

  let noticeTimer = null;

  function closeButton() {
    const button = document.createElement("button");
    button.className = "close";
    button.setAttribute("aria-label", "Close");
    return button;
  }

  /** A button that sends another wish in place of the refused one. */
  function insteadButton(instead) {
    const button = document.createElement("button");
    button.className = "instead";
    button.textContent = instead.label;
    button.dataset.wish = JSON.stringify(instead.wish);
    return button;
  }

  /**
   * Show a notification; without a text, put the one on view away. Information goes by itself unless it stays.
   * A button stands beside the text where there is something to do instead.
   */
  scope.notify = function (kind, text, { stays = false, instead = null } = {}) {
    const region = scope.byRole(document, "page-notice");
    clearTimeout(noticeTimer);
    if (region.textContent !== text || text) {
      region.textContent = text;
      region.append(...(text && instead ? [insteadButton(instead)] : []), ...(text ? [closeButton()] : []));
      region.className = text ? "notice shown " + kind : "notice";
    }
    if (text && kind === "info" && !stays) {
      noticeTimer = setTimeout(() => scope.notify("info", ""), 4000);
    }
  };

  /** Keep the address that of what is shown. */
  scope.pushLink = function (link, replaces) {
    if (link.refusal) {
      scope.notify("error", link.refusal);
    } else if (window.location.hash !== "#" + link.fragment) {
      const same = replaces || !window.location.hash;
      window.history[same ? "replaceState" : "pushState"](null, "", "#" + link.fragment);
    }
  };

  function shareLink() {
    const link = scope.active() && scope.active().link;
    if (!link) {
      return;
    }
    if (link.refusal) {
      scope.notify("error", link.refusal);
      return;
    }
    const address = window.location.origin + window.location.pathname + "#" + link.fragment;
    navigator.clipboard.writeText(address).then(
      () => scope.notify("info", "The link to this page is copied."),
      () => scope.notify("info", "Copy the address of this page: it holds everything shown.")
    );
  }

  function chooseStage(button) {
    const chosen = button.getAttribute("aria-pressed") === "true" ? null : button.dataset.stage;
    const pane = scope.active();
    document.querySelectorAll("[data-stage]").forEach((other) => {
      other.setAttribute("aria-pressed", String(other.dataset.stage === chosen));
    });
    pane.root.querySelectorAll(".card[data-stages]").forEach((card) => {
      const forward = chosen && card.dataset.stages.split(" ").includes(chosen);
      card.classList.toggle("forward", Boolean(forward));
      card.classList.toggle("back", Boolean(chosen && !forward));
    });
    // The states that the stage is about; a model may lack them.
    if (chosen && button.dataset.space) {
      scope.setControl(pane.find("neighborhood-space"), { value: button.dataset.space });
    }
  }

  function enlarge(card, large) {
    card.classList.toggle("enlarged", large);
    document.body.classList.toggle("has-enlarged", large);
    card.querySelector("[data-enlarge]").setAttribute("aria-pressed", String(large));
    window.dispatchEvent(new Event("resize"));
  }

  /** Bring an enlarged card back; whether there was one. */
  scope.restoreCard = function () {
    const card = document.querySelector(".card.enlarged");
    if (card) {
      enlarge(card, false);
    }
    return Boolean(card);
  };

  /** Enlarge a card to the whole page or bring it back: the one with the focus, else under the pointer. */
  scope.toggleCard = function (wanted) {
    const card = wanted || document.activeElement.closest(".card") || document.querySelector(".card:hover");
    if (!scope.restoreCard() && card) {
      enlarge(card, true);
    }
  };

  /** Close every panel that a button has opened; whether there was one. */
  scope.closePanels = function () {
    const open = document.querySelectorAll('.disclose[aria-expanded="true"]');
    open.forEach((button) => button.click());
    return open.length > 0;
  };

  let asked = 0;

  function isNews(role, value) {
    const element = scope.byRole(document, role);
    const before = scope.knownValue(element);
    scope.know(element, { value: value });
    return before !== undefined && number(before) !== number(value);
  }

  /* Translate and Enter say that the text is meant; an option that changed leaves the text that is shown. */
  function readHeader(clicks, beam, penalty, model, reads, writes) {
    const typed = (clicks || 0) !== asked;
    asked = clicks || 0;
    const news = [isNews("header-beam-size", beam), isNews("header-length-penalty", penalty), isNews("header-model", model)];
    const spoken = [isNews("header-source-language", reads), isNews("header-target-language", writes)];
    if (typed || news.includes(true)) {
      const wish = { model: model, source: scope.sourceField().value, beam_size: number(beam), length_penalty: number(penalty) };
      send(Object.assign(wish, { verb: "translate", typed: typed }));
    } else if (spoken.includes(true)) {
      send({ verb: "set_languages", source: spoken[0] ? reads : null, target: spoken[1] ? writes : null });
    }
  }

  /* Controls may be used before the pane is there. */
  const send = (wish) => scope.whenThere(scope.active, (pane) => pane.wish(wish));

  function number(value) {
    return value === "" || value === undefined || value === null ? null : value;
  }

  scope.offer({
    readHeader: function (...values) {
      readHeader(...values);
    },
  });

  /** The wish that forces a path of the tree, or keeps it: to a node, or to ``step.rank`` of a candidate. */
  scope.wishOfPath = function (key, verb) {
    const [first, rank] = key.split(".").map(Number);
    return rank === undefined ? { verb: verb + "_node", node: first } : { verb: verb + "_candidate", step: first, rank: rank };
  };

  /** The step and the rank of a word of the top k. */
  scope.placeOfChoice = function (cell) {
    const column = cell.parentElement;
    return { step: Number(column.dataset.index), rank: Array.from(column.children).indexOf(cell) };
  };

  /* A button has its wish, or a value for the verb around it, or the place in its column, counted from 0. */
  function wishOf(button, verb) {
    const data = button.dataset;
    if (data.wish) {
      return JSON.parse(data.wish);
    }
    if (data.path) {
      return scope.wishOfPath(data.path, data.how);
    }
    if (data.value !== undefined) {
      return { verb: verb, value: data.value };
    }
    return Object.assign({ verb: verb }, button.parentElement.dataset.index === undefined ? {} : scope.placeOfChoice(button));
  }

  function sendWish(event) {
    const button = event.target.closest("button");
    const sender = button && button.closest("[data-verb], [data-wish], [data-path]");
    if (sender) {
      scope.paneOf(button).wish(wishOf(button, sender.dataset.verb));
    }
  }

  function actOn(target) {
    const stage = target.closest("[data-stage]");
    const larger = target.closest("[data-enlarge]");
    if (stage) {
      chooseStage(stage);
    } else if (larger) {
      scope.toggleCard(larger.closest(".card"));
    } else if (target.closest('[data-role="header-theme"]')) {
      toggleTheme();
    } else if (target.closest('[data-role="header-share"]')) {
      shareLink();
    } else if (target.closest(".notice")) {
      scope.notify("info", "");
    }
  }

  document.addEventListener("click", (event) => {
    sendWish(event);
    actOn(event.target);
    if (event.target.closest(".menu-item")) {
      scope.closePanels();
    }
  });

  document.addEventListener("input", (event) => {
    const holder = event.target.closest(".mass");
    if (holder) {
      holder.querySelector("output").textContent = event.target.value + " %";
    }
  });
})();
