/* The field of the source. It is the browser's own and no control of Dash, which shows a text some time after the answer
   that brought it: whoever typed meanwhile would type behind that text. */
(function () {
  "use strict";
  const scope = window.beamscope;
  let filled = "";

  function makeField(holder) {
    const field = document.createElement("input");
    field.type = "text";
    field.className = "source-text";
    field.placeholder = "Source text";
    field.spellcheck = false;
    field.autocomplete = "off";
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.isComposing) {
        scope.byRole(document, "header-translate").click();
      }
    });
    holder.append(field);
    return field;
  }

  /** The field, which is made when it is first asked for. */
  scope.sourceField = function () {
    const holder = scope.byRole(document, "header-source");
    return holder.querySelector("input") || makeField(holder);
  };

  /** Write the source of an answer, unless another text is being typed. */
  scope.fillSource = function (text) {
    const field = scope.sourceField();
    if (field === document.activeElement && field.value !== filled && field.value !== text) {
      return;
    }
    filled = text;
    // Writing the same text would undo a selection.
    if (field.value !== text) {
      field.value = text;
    }
  };

  scope.whenThere(() => scope.byRole(document, "header-source"), scope.sourceField);
})();
