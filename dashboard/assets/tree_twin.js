/* The search in words: a table a step. A button on each candidate decodes from there, and one on each pruned candidate
   keeps it beside the others. Texts are only ever text. */
(function () {
  "use strict";
  const FORCING = 2;
  const FATE = 5;

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

  function drawButton(text, title, key, how) {
    const button = make("button", text, "quiet");
    button.title = title;
    button.dataset.path = key;
    button.dataset.how = how;
    return button;
  }

  function drawRow(row) {
    const cells = row.cells.map((text, column) => make("td", column === FORCING ? "" : text));
    cells[FORCING].append(drawButton(row.cells[FORCING], "Decode from here", row.key, "force"));
    if (row.fate === "pruned") {
      cells[FATE].append(drawButton("keep", "Keep it beside the others", row.key, "keep"));
    }
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
