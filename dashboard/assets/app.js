/* What the other scripts stand on; Dash loads assets in the order of their names. */
(function () {
  "use strict";
  const scope = (window.beamscope = {});

  /** Offer functions to Dash as clientside callbacks. */
  scope.offer = function (functions) {
    window.dash_clientside = window.dash_clientside || {};
    window.dash_clientside.beamscope = Object.assign(window.dash_clientside.beamscope || {}, functions);
  };

  /** Write properties of a component at once: unlike outputs of callbacks, two in a row arrive in their order. */
  scope.set = function (id, properties) {
    window.dash_clientside.set_props(id, properties);
  };

  /** Write into a store of the page. */
  scope.send = function (id, data) {
    scope.set(id, { data: data });
  };

  /** Act on something once Dash has drawn it; a page without models never will. */
  scope.whenThere = function (find, act) {
    const found = find();
    if (found) {
      act(found);
    } else if (!document.querySelector(".empty-page")) {
      requestAnimationFrame(() => scope.whenThere(find, act));
    }
  };
})();
