/* Sessions: the history of a tab is kept in the browser, in the form of a session file; it is saved, opened, and linked to
   from here. What is opened is read by the server first, which judges it. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const KEY = "beamscope-session:" + window.location.pathname;
  const BEFORE = KEY + ":before";
  const VISITED = "beamscope-visited";
  const LATER_MS = 250;
  const NAMED = "#session:";
  const PACKED = "#s1.";
  let waiting = null;
  let hidden = false;

  const form = () => JSON.parse(scope.byRole(document, "session-menu").dataset.form);

  /* Storage may be full, or forbidden in a private window: then nothing is kept. */
  function read(store, key) {
    try {
      return JSON.parse(window[store].getItem(key));
    } catch (error) {
      return null;
    }
  }

  function writeText(store, key, text) {
    try {
      window[store].setItem(key, text);
    } catch (error) {
      /* nothing is kept */
    }
  }

  const write = (store, key, value) => writeText(store, key, JSON.stringify(value));

  function trimmed(moment) {
    const kept = Object.entries(moment).filter(([, value]) => value !== null && value !== "" && value !== false);
    return Object.fromEntries(kept);
  }

  /* The theme and the room are those of the screen, not of the session. */
  function viewsOf(pane) {
    const { room, theme, ...views } = pane.options;
    return views;
  }

  /** The session of a pane as its file has it. */
  scope.sessionOf = function (pane) {
    const { format, version } = form();
    const pinned = pane.pinned();
    const session = {
      format: format,
      version: version,
      moments: pane.past.moments.map(trimmed),
      current: pane.past.current,
      views: viewsOf(pane),
    };
    const more = { title: pane.title, selection: pane.selection, pinned: pinned < 0 ? null : pinned };
    return Object.assign(session, trimmed(more));
  };

  function keep() {
    clearTimeout(waiting);
    const pane = waiting && scope.active();
    waiting = null;
    if (pane && pane.past.moments.length) {
      const text = JSON.stringify(scope.sessionOf(pane));
      writeText("sessionStorage", KEY, text);
      writeText("localStorage", KEY, text);
    }
  }

  /** Keep the session of a pane in the browser, a moment later: clicks do not wait for it. */
  scope.keepSession = function () {
    if (!waiting) {
      waiting = setTimeout(keep, LATER_MS);
    }
  };
  window.addEventListener("pagehide", keep);

  function fits(session) {
    const wanted = form();
    return Boolean(session) && session.format === wanted.format && session.version === wanted.version;
  }

  function full(moment) {
    const places = { parent: null, next: null, beside: null };
    const answer = { label: "", text: "", score: null, length_penalty: null, model_hash: "" };
    return Object.assign(places, answer, { name: "", note: "", star: false }, moment);
  }

  function takeHistory(pane, session) {
    pane.past = { moments: session.moments.map(full), current: session.current };
    pane.title = session.title || "";
  }

  /* Controls that stand as wanted already are left alone: setting one asks the server. */
  scope.takeViews = function (pane, views) {
    const wanted = Object.fromEntries(Object.entries(views).filter(([name]) => name in pane.options));
    pane.root.querySelectorAll("[data-control]").forEach((element) => {
      const role = element.dataset.role;
      const name = role.slice(role.indexOf("-") + 1);
      if (name in wanted && pane.options[name] !== wanted[name]) {
        pane.options[name] = wanted[name];
        scope.setControl(element, { value: wanted[name] });
      }
    });
  };

  function showCurrent(pane, session) {
    const wish = scope.wishOf(pane.past, pane.past.current);
    const pinned = pane.past.moments[session.pinned];
    const state = pinned ? Object.assign({}, wish.state, { pinned: pinned.state }) : wish.state;
    pane.wish(Object.assign(wish, { state: state }));
  }

  /* The session that is replaced can be opened again, once. */
  function putAway(pane) {
    if (pane.past.moments.length) {
      write("localStorage", BEFORE, scope.sessionOf(pane));
    }
  }

  function take(pane, answer) {
    const session = answer.session;
    putAway(pane);
    takeHistory(pane, session);
    scope.takeViews(pane, session.views);
    pane.selection = session.selection || null;
    pane.state = pane.state && { request: pane.state.request, hypothesis: pane.state.hypothesis };
    pane.said = answer.warning;
    hidden = false;
    scope.drawHistory(pane);
    showCurrent(pane, session);
  }

  /** Open a session: `{text, size}` of a file, `{name}` of one that the server has, or `{fragment}` of a link. */
  scope.openSession = async function (pane, question) {
    const answer = await scope.call("session", question);
    if (!answer) {
      scope.notify("info", "Stopped; the session is not opened.");
      return false;
    }
    if (answer.notice) {
      scope.notify(answer.notice.kind, answer.notice.text);
      return false;
    }
    closeWelcome();
    take(pane, answer);
    return true;
  };

  async function openFile(file) {
    const fitting = file.size <= form().most;
    const text = fitting ? await file.text() : "";
    scope.openSession(scope.active(), { text: text, size: file.size });
  }

  function chooseFile() {
    const input = document.createElement("input");
    input.type = "file";
    input.accept = ".json,application/json";
    input.addEventListener("change", () => input.files.length && openFile(input.files[0]));
    input.click();
  }

  function save() {
    const text = JSON.stringify(scope.sessionOf(scope.active()), null, 1) + "\n";
    const date = new Date().toISOString().slice(0, 10);
    scope.save({ content: text, type: "application/json", filename: "beamscope-session-" + date + ".json" });
  }

  async function pack(text) {
    const stream = new Blob([text]).stream().pipeThrough(new CompressionStream("deflate"));
    const bytes = new Uint8Array(await new Response(stream).arrayBuffer());
    const letters = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
    return btoa(letters).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
  }

  async function copyLink() {
    const fragment = PACKED + (await pack(JSON.stringify(scope.sessionOf(scope.active()))));
    if (fragment.length > form().link) {
      const size = Math.ceil(fragment.length / 1024);
      scope.notify("error", "This session makes a link of " + size + " kB, and links end at 8 kB; save it as a file.");
      return;
    }
    const address = window.location.origin + window.location.pathname + fragment;
    navigator.clipboard.writeText(address).then(
      () => scope.notify("info", "The link to this session is copied."),
      () => scope.notify("error", "The browser does not let this page copy; save the session as a file.")
    );
  }

  async function reopenBefore() {
    const session = read("localStorage", BEFORE);
    if (session) {
      const text = JSON.stringify(session);
      scope.openSession(scope.active(), { text: text, size: text.length });
    }
  }

  /* The first visit */

  function welcome(shows) {
    const panel = scope.byRole(document, "page-welcome");
    if (panel) {
      panel.hidden = !shows;
    }
  }

  function offerExamples() {
    welcome(true);
    if (!scope.byRole(document, "page-welcome")) {
      scope.notify("info", "The worked examples need the model dates, which `beamscope demo` builds.");
    }
  }

  /** Close the examples that a first visitor is offered; whether they were open. */
  function closeWelcome() {
    const panel = scope.byRole(document, "page-welcome");
    const was = Boolean(panel) && !panel.hidden;
    welcome(false);
    write("localStorage", VISITED, true);
    return was;
  }
  scope.closeWelcome = closeWelcome;

  /* The note of the moment on view */

  function notedMoments(pane) {
    return pane.past.moments.map((_, index) => index).filter((index) => pane.past.moments[index].note);
  }

  /** Show the note of the moment on view, unless the drawer shows it or it was hidden. */
  scope.drawGuide = function (pane) {
    const guide = scope.byRole(document, "session-guide");
    const moment = pane.past.moments[pane.past.current];
    const shows = Boolean(moment && moment.note) && !hidden && !scope.isHistoryOpen();
    guide.hidden = !shows;
    if (shows) {
      const noted = notedMoments(pane);
      const at = noted.indexOf(pane.past.current);
      const place = at + 1 + " of " + noted.length;
      const head = ["p", {}, [["b", {}, [scope.nameOf(moment)]], ["small", {}, [place]]]];
      scope.draw(scope.byRole(document, "session-guide-text"), [head, ["p", {}, [moment.note]]]);
      scope.byRole(document, "session-guide-back").disabled = at === 0;
      scope.byRole(document, "session-guide-next").disabled = at === noted.length - 1;
    }
  };

  function step(change) {
    const pane = scope.active();
    const noted = notedMoments(pane);
    const next = noted[noted.indexOf(pane.past.current) + change];
    if (next !== undefined) {
      scope.revisit(pane, next);
    }
  }

  /** Begin where the address says; else where this tab was; else with an example. */
  scope.begin = function (pane) {
    const hash = window.location.hash;
    const kept = read("sessionStorage", KEY);
    if (fits(kept)) {
      takeHistory(pane, kept);
      scope.drawHistory(pane);
    } else {
      write("localStorage", BEFORE, read("localStorage", KEY) || read("localStorage", BEFORE));
    }
    const opening = scope.openAddress(pane, hash);
    if (opening) {
      opening.then((opened) => opened || beginPlain(pane, "", kept));
    } else {
      beginPlain(pane, hash, kept);
    }
  };

  /** Open the session that the fragment of an address names or holds; null for other fragments. */
  scope.openAddress = function (pane, hash) {
    if (!hash.startsWith(NAMED) && !hash.startsWith(PACKED)) {
      return null;
    }
    window.history.replaceState(null, "", window.location.pathname);
    return scope.openSession(pane, hash.startsWith(NAMED) ? { name: hash.slice(NAMED.length) } : { fragment: hash });
  };

  function beginPlain(pane, hash, kept) {
    if (!hash && fits(kept)) {
      showCurrent(pane, kept);
      return;
    }
    pane.wish({ verb: "open", fragment: hash });
    if (!hash && !read("localStorage", VISITED)) {
      welcome(true);
    }
  }

  const ACTS = {
    "session-save": save,
    "session-open": chooseFile,
    "session-link": copyLink,
    "session-before": reopenBefore,
    "session-examples": offerExamples,
    "session-guide-back": () => step(-1),
    "session-guide-next": () => step(1),
    "session-guide-hide": () => {
      hidden = true;
      scope.drawGuide(scope.active());
    },
    "page-welcome-close": closeWelcome,
  };

  document.addEventListener("click", (event) => {
    const place = event.target.closest("[data-role]");
    const offer = event.target.closest("[data-session]");
    if (offer) {
      scope.openSession(scope.active(), { name: offer.dataset.session });
    } else if (place && ACTS[place.dataset.role]) {
      ACTS[place.dataset.role]();
    }
    const before = scope.byRole(document, "session-before");
    if (before) {
      before.hidden = !read("localStorage", BEFORE);
    }
  });

  /* A session file may also be dropped anywhere on the page. */
  document.addEventListener("dragover", (event) => {
    if (event.dataTransfer && Array.from(event.dataTransfer.types).includes("Files")) {
      event.preventDefault();
    }
  });
  document.addEventListener("drop", (event) => {
    if (event.dataTransfer && event.dataTransfer.files.length && scope.active()) {
      event.preventDefault();
      openFile(event.dataTransfer.files[0]);
    }
  });
})();
