/* Put drawn parts in place and change only what changed. Texts are only ever text nodes. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const drawn = new WeakMap();
  const known = new WeakMap();
  const TAGS = new Set(
    ("a b bdi br caption code dd details div dl dt h2 h3 i kbd li mark ol output p section small span strong summary " +
      "table tbody td th thead tr ul button").split(" ")
  );
  const ATTRIBUTES = new Set("class colspan dir disabled hidden lang role scope style tabindex title".split(" "));

  function setAttribute(element, name, value) {
    if (!ATTRIBUTES.has(name) && !/^(data|aria)-[a-z-]+$/.test(name)) {
      throw new Error("not drawn: the attribute " + name);
    }
    if (name === "style") {
      element.style.cssText = value || "";
    } else if (value === null || value === undefined) {
      element.removeAttribute(name);
    } else {
      element.setAttribute(name, value);
    }
  }

  function make(node) {
    if (typeof node === "string") {
      return document.createTextNode(node);
    }
    const [tag, attributes, children] = node;
    if (!TAGS.has(tag)) {
      throw new Error("not drawn: the element " + tag);
    }
    const element = document.createElement(tag);
    Object.entries(attributes).forEach(([name, value]) => setAttribute(element, name, value));
    element.append(...children.map(make));
    return element;
  }

  function patchAttributes(element, before, after) {
    for (const name of Object.keys(before)) {
      if (!(name in after)) {
        setAttribute(element, name, null);
      }
    }
    for (const [name, value] of Object.entries(after)) {
      if (before[name] !== value) {
        setAttribute(element, name, value);
      }
    }
  }

  function patch(place, before, after) {
    if (typeof before === "string" && typeof after === "string") {
      if (before !== after) {
        place.nodeValue = after;
      }
    } else if (typeof before === "string" || typeof after === "string" || before[0] !== after[0]) {
      place.replaceWith(make(after));
    } else {
      patchAttributes(place, before[1], after[1]);
      patchAll(place, before[2], after[2]);
    }
  }

  function patchAll(parent, before, after) {
    const places = Array.from(parent.childNodes);
    const shared = Math.min(before.length, after.length);
    for (let index = 0; index < shared; index += 1) {
      patch(places[index], before[index], after[index]);
    }
    places.slice(shared).forEach((place) => place.remove());
    parent.append(...after.slice(shared).map(make));
  }

  /** Make the children of an element those nodes; what stands there already is kept, its focus too. */
  scope.draw = function (element, nodes) {
    const before = drawn.get(element);
    if (!before) {
      element.replaceChildren();
    }
    patchAll(element, before || [], nodes);
    drawn.set(element, nodes);
    scope.oneStop(element);
  };

  /** Remember the properties that a control has. */
  scope.know = function (element, properties) {
    if (element) {
      known.set(element, Object.assign(known.get(element) || {}, properties));
    }
  };

  /** The value that a control has, as far as is known. */
  scope.knownValue = (element) => (known.get(element) || {}).value;

  /** Set the properties of the control in an element that it does not have yet. */
  scope.setControl = function (element, properties) {
    const has = known.get(element) || {};
    const news = Object.entries(properties).filter(([name, value]) => JSON.stringify(has[name]) !== JSON.stringify(value));
    if (news.length) {
      scope.know(element, Object.fromEntries(news));
      window.dash_clientside.set_props(JSON.parse(element.dataset.control), Object.fromEntries(news));
    }
  };

  /* A choice made since the question was asked is worth more than the answer. */
  function placeControl(pane, role, element, properties) {
    const { value, ...rest } = properties;
    const name = role.slice(role.indexOf("-") + 1);
    if (value === undefined || pane.changed) {
      scope.setControl(element, rest);
      return;
    }
    if (name in pane.options) {
      pane.options[name] = value;
    }
    scope.setControl(element, properties);
  }

  /** Put one part of an answer in place. */
  scope.placePart = function (pane, role, element, part) {
    Object.entries(part.set || {}).forEach(([name, value]) => setAttribute(element, name, value));
    if (part.html) {
      scope.draw(element, part.html);
    }
    if (part.graph) {
      scope.drawGraph(element, part.graph);
    }
    if (part.paths) {
      scope.drawPaths(element, part.paths);
    }
    if (part.figure) {
      scope.drawFigure(element, part.figure);
    }
    if (part.restyle) {
      scope.restyleFigure(element, part.restyle);
    }
    if ("search" in part) {
      scope.drawSearch(element, part.search);
    }
    if (part.control) {
      placeControl(pane, role, element, part.control);
    }
    if ("fill" in part) {
      scope.fillSource(part.fill);
    }
  };
})();
