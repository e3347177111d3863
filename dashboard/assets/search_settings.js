/* Settings of the search in the header's panel: a value that changed is a wish. */
(function () {
  "use strict";
  const scope = window.beamscope;
  // In the order of the callback's inputs.
  const NAMES = [
    "max_length",
    "min_length",
    "ngram_size",
    "source_ngram_size",
    "repetition_penalty",
    "early_stopping",
    "top_k",
  ];

  function readSearch(...values) {
    const wish = { verb: "set_search" };
    values.forEach((value, index) => {
      const element = scope.byRole(document, "search-" + NAMES[index].replaceAll("_", "-"));
      const before = scope.knownValue(element);
      scope.know(element, { value: value });
      // A field that was emptied asks for the model's own value; the number of shown tokens has none.
      const wanted = value === "" || value === undefined || value === null ? "default" : value;
      if (before !== undefined && before !== value && !(wanted === "default" && NAMES[index] === "top_k")) {
        wish[NAMES[index]] = wanted;
      }
    });
    if (Object.keys(wish).length > 1) {
      scope.active().wish(wish);
    }
  }

  scope.offer({
    readSearch: function (...values) {
      readSearch(...values);
    },
  });
})();
