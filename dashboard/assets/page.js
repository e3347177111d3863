/* The page's own functions: theme, link, notices, stages. Dash calls them as clientside callbacks. */
(function () {
  "use strict";
  const root = document.documentElement;
  const scope = window.beamscope;

  function notify(kind, text) {
    scope.send("page-notice", { kind: kind, text: text });
  }

  function keepTheme(theme) {
    try {
      localStorage.setItem("beamscope-theme", theme);
    } catch (error) {
      /* private windows keep nothing */
    }
  }

  function address() {
    return { fragment: window.location.hash, at: Date.now() };
  }

  // Back, forward, and another fragment typed over this one.
  window.addEventListener("popstate", () => scope.send("page-address", address()));

  let noticeTimer = null;
  let filledSource = "";

  scope.offer({
    toggleTheme: function (clicks) {
      if (clicks) {
        root.dataset.theme = root.dataset.theme === "dark" ? "light" : "dark";
        keepTheme(root.dataset.theme);
      }
      return root.dataset.theme;
    },

    readAddress: function () {
      return address();
    },

    /* The source field follows the request, unless someone is typing in it: what they type is worth more. */
    fillSource: function (shown) {
      const field = document.getElementById("header-source");
      const text = shown.request.source;
      if (field && field === document.activeElement && field.value !== filledSource && field.value !== text) {
        return window.dash_clientside.no_update;
      }
      filledSource = text;
      return text;
    },

    pushLink: function (link) {
      if (link && link.refusal) {
        notify("error", link.refusal);
      } else if (link && window.location.hash !== "#" + link.fragment) {
        const first = !window.location.hash;
        window.history[first ? "replaceState" : "pushState"](null, "", "#" + link.fragment);
      }
    },

    shareLink: function (clicks, link) {
      if (!clicks || !link) {
        return;
      }
      if (link.refusal) {
        notify("error", link.refusal);
        return;
      }
      const address = window.location.origin + window.location.pathname + "#" + link.fragment;
      navigator.clipboard.writeText(address).then(
        () => notify("info", "The link to this page is copied."),
        () => notify("info", "Copy the address of this page: it holds everything shown.")
      );
    },

    showNotice: function (notice) {
      clearTimeout(noticeTimer);
      if (!notice) {
        return ["", "notice"];
      }
      if (notice.kind === "info") {
        noticeTimer = setTimeout(() => scope.send("page-notice", null), 4000);
      }
      return [notice.text, "notice shown " + notice.kind];
    },

    clearNotice: function () {
      return null;
    },

    chooseStage: function (stage) {
      const body = document.getElementById("page-body");
      const number = Number(stage.value);
      const chosen = Number(body.dataset.stage) === number ? null : number;
      body.dataset.stage = chosen || "";
      document.querySelectorAll(".stage").forEach((button) => {
        button.setAttribute("aria-pressed", String(Number(button.dataset.value) === chosen));
      });
      document.querySelectorAll(".card[data-stages]").forEach((card) => {
        const forward = chosen && card.dataset.stages.split(" ").includes(String(chosen));
        card.classList.toggle("forward", Boolean(forward));
        card.classList.toggle("back", Boolean(chosen && !forward));
      });
      // The states that the stage is about; a model may lack them.
      const space = { 1: "encoder", 2: "decoder", 3: "context" }[chosen];
      const choice = document.querySelector('#neighborhood-space input[value="' + space + '"]');
      if (choice) {
        choice.click();
      }
      return chosen;
    },

    pickSheet: function (theme, sheets) {
      return sheets[theme || "light"];
    },

    showDrawing: function (drawing) {
      return "canvas as-" + drawing;
    },
  });

  /* What a button says when clicked: its value, or its place as ``column:row``, both counted from 0. */
  function valueOf(button) {
    if (button.dataset.value !== undefined) {
      return button.dataset.value;
    }
    const column = button.parentElement;
    return column.dataset.index + ":" + Array.from(column.children).indexOf(button);
  }

  document.addEventListener("click", (event) => {
    const sender = event.target.closest("[data-send]");
    const button = sender && event.target.closest("button");
    if (button && sender.contains(button)) {
      scope.send(sender.dataset.send, { value: valueOf(button), at: Date.now() });
    }
    if (event.target.closest(".notice")) {
      scope.send("page-notice", null);
    }
    // A menu closes when something in it, or anything outside it, was chosen.
    document.querySelectorAll("details.menu-holder[open]").forEach((menu) => {
      if (!menu.contains(event.target) || event.target.closest(".menu-item")) {
        menu.open = false;
      }
    });
  });

  document.addEventListener("input", (event) => {
    if (event.target.id === "translation-mass") {
      event.target.closest(".mass").querySelector("output").textContent = event.target.value + " %";
    }
  });

  /* The columns spread over the room there is; steps of 20 px keep a drag of the window from flooding the server. */
  scope.watchRoom = function (scroller, gutter) {
    let told = 0;
    new ResizeObserver(() => {
      const room = Math.floor((scroller.clientWidth - gutter - 32) / 20) * 20;
      if (room > 0 && room !== told) {
        told = room;
        scope.send("translation-room", room);
      }
    }).observe(scroller);
  };

  scope.whenThere(
    () => document.querySelector(".scroller"),
    (scroller) => scope.watchRoom(scroller, 64)
  );
})();
