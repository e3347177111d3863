/* Words that begin as typed, in a list under a field. Arrow keys walk along it, Enter or a click takes a word, Escape closes
   it; the field keeps the focus. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const PAUSE = 100;
  const GAP = 4;
  const MARGIN = 8;
  let made = 0;

  class Completions {
    /* `ask` gives the texts that a typed one may become, or null. */
    constructor(field, ask) {
      this.field = field;
      this.ask = ask;
      this.chosen = -1;
      this.list = document.createElement("ul");
      this.list.id = "completions-" + (made += 1);
      this.list.className = "completions";
      this.list.setAttribute("role", "listbox");
      this.list.setAttribute("aria-label", "Words that begin so");
      field.setAttribute("role", "combobox");
      field.setAttribute("aria-autocomplete", "list");
      field.setAttribute("aria-controls", this.list.id);
      field.after(this.list);
      this.draw([]);
      field.addEventListener("input", () => this.askSoon());
      field.addEventListener("blur", () => this.close());
      // The field keeps the focus.
      this.list.addEventListener("mousedown", (event) => event.preventDefault());
      this.list.addEventListener("click", (event) => this.take(event.target.closest("li")));
    }

    get options() {
      return Array.from(this.list.children);
    }

    get isOpen() {
      return !this.list.hidden;
    }

    askSoon() {
      clearTimeout(this.pause);
      this.pause = setTimeout(() => this.complete(), PAUSE);
    }

    /* An answer to what stood there before is of no use. */
    async complete() {
      const typed = this.field.value;
      const texts = typed.trim() ? await this.ask(typed) : [];
      if (texts && this.field.value === typed && this.field === document.activeElement) {
        this.draw(texts.filter((text) => text !== typed));
      }
    }

    draw(texts) {
      this.list.replaceChildren(...texts.map((text, index) => this.makeOption(text, index)));
      this.list.hidden = !texts.length;
      this.field.setAttribute("aria-expanded", String(this.isOpen));
      this.choose(-1);
      this.place();
    }

    /* What was typed is quiet, what the word adds is not. */
    makeOption(text, index) {
      const option = document.createElement("li");
      option.id = this.list.id + "-" + index;
      option.dataset.text = text;
      option.setAttribute("role", "option");
      const typed = this.field.value;
      const shared = text.toLowerCase().startsWith(typed.toLowerCase()) ? typed.length : 0;
      const quiet = document.createElement("span");
      quiet.textContent = text.slice(0, shared);
      option.append(quiet, text.slice(shared));
      return option;
    }

    /* Under the field where there is room, else over it. */
    place() {
      const field = this.field.getBoundingClientRect();
      const below = field.bottom + GAP;
      const fits = below + this.list.offsetHeight + MARGIN <= window.innerHeight;
      this.list.style.left = field.left + "px";
      this.list.style.minWidth = Math.min(field.width, 240) + "px";
      this.list.style.top = (fits ? below : field.top - GAP - this.list.offsetHeight) + "px";
    }

    choose(index) {
      this.chosen = index;
      this.options.forEach((option, place) => option.setAttribute("aria-selected", String(place === index)));
      const option = this.options[index];
      if (option) {
        this.field.setAttribute("aria-activedescendant", option.id);
        option.scrollIntoView({ block: "nearest" });
      } else {
        this.field.removeAttribute("aria-activedescendant");
      }
    }

    /* Past the last word, and before the first, stands what was typed. */
    walk(step) {
      const places = this.options.length + 1;
      this.choose(((this.chosen + 1 + step + places) % places) - 1);
    }

    take(option) {
      if (option) {
        this.field.value = option.dataset.text;
        this.close();
      }
    }

    close() {
      clearTimeout(this.pause);
      this.draw([]);
    }

    /* Whether the key was for the list. */
    takeKey(event) {
      if (!this.isOpen) {
        return false;
      }
      if (event.key === "ArrowDown" || event.key === "ArrowUp") {
        this.walk(event.key === "ArrowDown" ? 1 : -1);
        event.preventDefault();
      } else if (event.key === "Enter" && this.chosen >= 0) {
        this.take(this.options[this.chosen]);
        event.preventDefault();
      } else if (event.key === "Escape") {
        this.close();
      } else {
        return false;
      }
      return true;
    }
  }

  scope.Completions = Completions;
})();
