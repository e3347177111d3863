/* The search in words: a table a step, a button on each candidate decodes from there. Texts are only ever text. */
(function () {
  "use strict";
  const FORCING = 2;

  function make(tag, text, className) {
    const element = document.createElement(tag);
    element.textContent = text;
    element.className = className || "";
    return element;
  }

  function fill(parent, children) {
    parent.append(...children);
    return parent;
  }

  function drawHead(columns) {
    const cells = columns.map((name) => {
      const cell = make("th", name);
      cell.scope = "col";
      return cell;
    });
    return fill(make("thead", ""), [fill(make("tr", ""), cells)]);
  }

  function drawButton(word, key) {
    const button = make("button", word, "quiet");
    button.title = "Decode from here";
    button.dataset.path = key;
    return button;
  }

  function drawRow(row) {
    const cells = row.cells.map((text, column) =>
      column === FORCING ? fill(make("td", ""), [drawButton(text, row.key)]) : make("td", text)
    );
    return fill(make("tr", "", row.fate), cells);
  }

  function drawStep(step, columns) {
    const body = fill(make("tbody", ""), step.rows.map(drawRow));
    return fill(make("table", "", "twin"), [make("caption", step.caption), drawHead(columns), body]);
  }

  /** Draw the tables of a search in an element; without a search, nothing. */
  window.beamscope.drawSearch = function (element, search) {
    const steps = search ? search.steps.map((step) => drawStep(step, search.columns)) : [];
    element.replaceChildren(...steps);
  };
})();
