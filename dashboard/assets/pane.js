/* A pane: what shows one request. It holds what is shown and asks the server for what a click changes, one call at a time:
   wishes made meanwhile wait in their order, and each is asked with what the one before it left. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const panes = new Map();
  let active = null;

  /* The name of a control's option: what follows the hyphen of its role. */
  const optionOf = (role) => role.slice(role.indexOf("-") + 1);

  function tellRest(state, wish) {
    if (wish && wish.verb === "export") {
      return "no file is saved";
    }
    return state ? "the answer before it stays" : "there is no answer yet";
  }

  function tellDropped(count) {
    const clicks = count === 1 ? "the click that waited is" : "the " + count + " clicks that waited are";
    return count ? ", and " + clicks + " dropped" : "";
  }

  class Pane {
    constructor(root) {
      this.root = root;
      this.state = null;
      this.selection = null;
      this.past = scope.past.EMPTY;
      this.title = "";
      this.said = "";
      this.link = null;
      this.options = {};
      this.held = {};
      this.answered = {};
      this.lookedAt = {};
      this.controls = new Map();
      this.lit = null;
      this.draft = { step: null, rows: {} };
      this.wishes = [];
      this.changed = false;
      this.asking = false;
      this.follows = false;
      this.looking = null;
      this.lighting = false;
      this.room = this.measureRoom();
      this.watchRoom();
    }

    /* Only the room of the columns is the server's business; views fit themselves. */
    watchRoom() {
      const observer = new ResizeObserver(() => {
        const room = this.measureRoom();
        if (this.room !== room) {
          this.room = room;
          if (this.state) {
            this.change();
          }
        }
      });
      this.root.querySelectorAll("[data-gutter]").forEach((scroller) => observer.observe(scroller));
    }

    /** The place of a role: below the root, or in the page's frame, which shows the active pane. */
    find(role) {
      const own = scope.byRole(this.root, role);
      return own || (active === this ? scope.byRole(document, role) : null);
    }

    /** Ask for something; the answer fills every view. */
    wish(wish) {
      this.wishes.push(wish);
      this.ask();
    }

    /** Change words or attention; a model without attention has words alone. Attention is changed on a single answer. */
    setMode(mode) {
      const before = this.options.mode;
      this.options.mode = this.hasAttention() ? mode : "words";
      scope.showMode(this);
      if (before !== this.options.mode && this.state && this.state.pinned) {
        this.change();
      }
    }

    /* The answer of a wish is read beside the pinned one, unless the mode was chosen since it was asked. */
    fitMode(answer, wish) {
      if (wish && answer.compares && !this.changed) {
        this.options.mode = "words";
        scope.showMode(this);
      } else {
        this.setMode(this.options.mode);
      }
    }

    hasAttention() {
      const card = this.find(this.root.dataset.compares === "yes" ? "comparison-card" : "translation-card");
      return card.dataset.attention !== "none";
    }

    /** An option changed that the trace's views depend on. */
    change() {
      this.changed = true;
      this.ask();
    }

    async ask() {
      if (this.asking) {
        return;
      }
      this.asking = true;
      let waiting = scope.waitFor("the answer", true);
      while (this.wishes.length || this.changed) {
        const asked = this.wishes.shift() || null;
        const wish = this.direct(asked);
        if (wish || !asked) {
          await this.askFor(wish, waiting);
        }
        if (waiting.signal.aborted) {
          waiting = scope.waitFor("the answer", true);
        }
      }
      waiting.end();
      this.asking = false;
    }

    async askFor(wish, waiting) {
      this.changed = false;
      const question = this.question(wish);
      const answer = await scope.call("answer", question, { waiting: waiting });
      if (answer) {
        this.take(answer, question);
        this.forgetUndoOf(answer);
      } else {
        this.giveUp(question, waiting.stoppedAfter);
      }
    }

    /* The answer before stays. Wishes that waited were meant for the one that does not come; the room and the theme are not
       wishes, and whoever changed them meanwhile still has them. */
    giveUp(question, seconds) {
      const dropped = this.wishes.length;
      this.wishes = [];
      this.changed = false;
      this.putControlsBack();
      if (this.link) {
        this.takeLink(this.link, false);
      }
      const told = "Stopped after " + seconds + "; " + tellRest(this.state, question.wish) + tellDropped(dropped) + ".";
      scope.notify("info", told, { stays: true, instead: question.wish && { label: "Ask again", wish: question.wish } });
      this.changed = question.options.room !== this.room || question.options.theme !== scope.theme();
    }

    /* Let the controls say again what is shown. A text that was typed is left to be typed on, and the mode is no matter of
       the answer. Those of the states around it have their own answer. */
    putControlsBack() {
      for (const [role, properties] of this.controls) {
        const element = this.find(role);
        if (element && !(optionOf(role) in this.lookedAt)) {
          scope.placePart(this, role, element, { control: properties });
        }
      }
      const others = Object.entries(this.answered).filter(([name]) => name !== "mode" && !(name in this.lookedAt));
      scope.takeViews(this, Object.fromEntries(others));
    }

    /* Undo and redo name their moment when their turn comes: the wishes before them may have moved it. */
    direct(wish) {
      if (!wish || (wish.verb !== "undo" && wish.verb !== "redo")) {
        return wish;
      }
      const target = wish.verb === "undo" ? scope.past.before(this.past) : scope.past.after(this.past);
      return target === null ? null : scope.wishOf(this.past, target);
    }

    /* A refused wish left nothing to take back: an undo that waited behind it was meant for it. */
    forgetUndoOf(answer) {
      if (answer.notice && this.wishes.length && this.wishes[0].verb === "undo") {
        this.wishes.shift();
      }
    }

    /** The place of the pinned answer in the history; -1 where nothing is pinned. */
    pinned() {
      return this.state ? scope.past.find(this.past, this.state.pinned) : -1;
    }

    /** Ask for the states around what is shown; only the newest such question is answered. */
    async look() {
      if (!this.state) {
        return;
      }
      if (this.looking) {
        this.looking.leave();
      }
      const looking = (this.looking = scope.waitFor("map and neighbors"));
      const question = this.question(null);
      const asked = scope.call("surroundings", question, { waiting: looking });
      scope.mountHeldBack(this);
      const answer = await asked;
      looking.end();
      if (looking !== this.looking) {
        return;
      }
      this.looking = null;
      if (answer) {
        this.follows = this.follows && Boolean(answer.notice);
        this.takeSurroundings(answer, question);
      } else {
        this.lookNoMore(looking.stoppedAfter);
      }
    }

    lookNoMore(seconds) {
      scope.takeViews(this, this.lookedAt);
      const told = "Stopped after " + seconds + "; map and neighbors are as they were before.";
      const again = scope.wishOf(this.past, this.past.current);
      scope.notify("info", told, { stays: true, instead: { label: "Look again", wish: again } });
    }

    question(wish) {
      const options = Object.assign({}, this.options, { room: this.room, theme: scope.theme() });
      return {
        wish: wish,
        state: this.state,
        selection: this.selection,
        follows: this.follows,
        options: options,
        held: this.held,
      };
    }

    /** Pixels for the columns, in steps of 20 so that a drag of the window does not flood the server. */
    measureRoom() {
      const scrollers = Array.from(this.root.querySelectorAll("[data-gutter]"));
      // Of translation and comparison one is on view.
      const scroller = scrollers.find((one) => one.clientWidth) || scrollers[0];
      return Math.max(200, Math.floor((scroller.clientWidth - Number(scroller.dataset.gutter) - 32) / 20) * 20);
    }

    take(answer, question) {
      if (answer.notice) {
        scope.notify(answer.notice.kind, answer.notice.text, { instead: answer.notice.instead });
      } else if (answer.download) {
        scope.save(answer.download);
      } else if (answer.state) {
        this.answered = question.options;
        this.takeState(answer, question.wish);
      }
    }

    takeState(answer, wish) {
      const before = this.sum();
      const first = this.state === null;
      this.state = answer.state;
      this.selection = answer.selection;
      this.remember(answer.moments, first);
      this.root.dataset.shown = "yes";
      this.root.dataset.compares = answer.compares ? "yes" : "no";
      this.place(answer.parts);
      scope.drawHistory(this);
      this.fitMode(answer, wish);
      if (answer.compares && before !== this.sum()) {
        scope.showFirstDifference(this);
      }
      if (active === this) {
        document.body.dataset.comparing = answer.compares ? "yes" : "no";
      }
      if (wish && wish.verb !== "open") {
        scope.closeWelcome();
      }
      if (wish) {
        scope.notify("info", this.said || answer.warning, { stays: true });
        this.said = "";
        scope.closeWordMenu();
        scope.setDraft(this, { step: null, rows: {} });
      } else {
        scope.setDraft(this, this.draft);
      }
      this.takeLink(answer.link, Boolean(wish) && wish.verb === "open");
      scope.showMarks(this);
      scope.showTrials(this);
      if (wish || before !== this.sum()) {
        // The search for neighbors would take the processor from the browser, which has words and a tree to draw.
        scope.askAfterPaint(() => this.look());
      }
    }

    /* What the states around the answer depend on. */
    sum() {
      return JSON.stringify([this.state, this.root.dataset.compares === "yes"]);
    }

    takeSurroundings(answer, question) {
      this.root.dataset.looked = "yes";
      if (answer.notice) {
        scope.notify(answer.notice.kind, answer.notice.text, { instead: answer.notice.instead });
        return;
      }
      this.lookedAt = Object.assign({ offset: question.options.offset }, answer.options);
      Object.assign(this.options, answer.options);
      this.place(answer.parts || []);
      // Whoever is at a word meanwhile, by pointer or keys, stays at it.
      scope.showMarks(this, this.lit);
    }

    /* The pinned answer of a link comes before the shown one; an answer that follows none begins a branch. */
    remember(moments, first) {
      const most = scope.mostMoments();
      moments.forEach((seen, index) => {
        const parent = (first && index === 0) || this.past.current < 0 ? null : this.past.current;
        const isPin = index < moments.length - 1;
        if (!isPin || scope.past.find(this.past, seen.state) < 0) {
          this.past = scope.past.visit(this.past, seen, parent, most);
        }
      });
    }

    /* A link that was opened stays the same entry of the browser's own history. */
    takeLink(link, opened) {
      this.link = link;
      if (active === this) {
        scope.pushLink(link, opened);
      }
    }

    place(parts) {
      // A figure is drawn with its marks: changes to it that come beside it are made already.
      const fresh = new Set(parts.filter((part) => part[2].figure).map((part) => part[0]));
      for (const [role, digest, content] of parts) {
        const element = this.find(content.of || role);
        if (element) {
          this.held[role] = digest;
          if (content.control) {
            this.controls.set(role, content.control);
          }
          if (!fresh.has(content.of)) {
            scope.placePart(this, role, element, content);
          }
        }
      }
    }

    /** Show this pane in the page's frame, where another one was shown. */
    fillFrame() {
      Object.keys(this.held).forEach((role) => {
        if (!scope.byRole(this.root, role)) {
          delete this.held[role];
        }
      });
      if (this.state) {
        this.change();
        this.look();
      }
    }

    /** Values of the controls, by role. */
    takeOptions(values, act) {
      let news = false;
      for (const [role, value] of values) {
        const name = optionOf(role);
        scope.know(this.find(role), { value: value });
        if (name === "mode") {
          this.setMode(value);
        } else {
          news = news || (name in this.options && this.options[name] !== value);
          this.options[name] = value;
        }
      }
      if (news) {
        act();
      }
    }
  }

  scope.Pane = Pane;

  /** The pane of a root element. */
  scope.paneAt = function (root) {
    if (!panes.has(root)) {
      panes.set(root, new Pane(root));
    }
    return panes.get(root);
  };

  /** The pane around an element; elsewhere on the page, the active one. */
  scope.paneOf = function (element) {
    const root = element && element.closest ? element.closest("[data-pane]") : null;
    return root ? scope.paneAt(root) : active;
  };

  /** The pane that was used last: the frame of the page and its keys are for this one. */
  scope.active = () => active;

  scope.panes = () => Array.from(document.querySelectorAll("[data-pane]"), scope.paneAt);

  function activate(event) {
    const root = event.target.closest ? event.target.closest("[data-pane]") : null;
    if (root && active !== scope.paneAt(root)) {
      active = scope.paneAt(root);
      active.fillFrame();
    }
  }
  document.addEventListener("pointerdown", activate, true);
  document.addEventListener("focusin", activate, true);

  function paneNamed(name) {
    return scope.paneAt(document.querySelector('[data-pane="' + name + '"]'));
  }

  function reported(context) {
    return context.inputs_list.map((input) => [input.id.part, input.value]);
  }

  scope.offer({
    readOptions: function () {
      const context = window.dash_clientside.callback_context;
      const pane = paneNamed(context.outputs_list.id.pane);
      pane.takeOptions(reported(context), () => pane.change());
      return window.dash_clientside.no_update;
    },
    readOptionsOfStates: function () {
      const context = window.dash_clientside.callback_context;
      const pane = paneNamed(context.outputs_list.id.pane);
      pane.takeOptions(reported(context), () => pane.look());
      return window.dash_clientside.no_update;
    },
  });

  scope.whenThere(
    () => document.querySelector("[data-pane] [data-gutter]"),
    (scroller) => {
      active = scope.paneOf(scroller);
      scope.begin(active);
    }
  );
})();
