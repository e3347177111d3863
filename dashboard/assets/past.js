/* The history of a pane as a value: a tree of moments. A moment names its parent by its place in the list, and stands
   after it. Every function returns a new history; `current` is the moment on the page. */
(function () {
  "use strict";
  const scope = window.beamscope;
  const EMPTY = { moments: [], current: -1 };
  const keys = new WeakMap();

  /* Requests are equal when the server writes them alike. */
  function keyOf(state) {
    if (!keys.has(state)) {
      keys.set(state, JSON.stringify(state.request));
    }
    return keys.get(state);
  }

  /** The place of the moment with the request of a state; -1 where there is none. */
  function find(past, state) {
    return state ? past.moments.findIndex((moment) => keyOf(moment.state) === keyOf(state)) : -1;
  }

  function replaced(past, index, changes) {
    const moments = past.moments.slice();
    moments[index] = Object.assign({}, moments[index], changes);
    return { moments: moments, current: past.current };
  }

  /* Redo goes where the analyst went last. */
  function rememberWay(past, index) {
    const parent = past.moments[index].parent;
    const there = { moments: past.moments, current: index };
    return parent === null || past.moments[parent].next === index ? there : replaced(there, parent, { next: index });
  }

  /* The same moments in another list: places of moments that are gone become null. */
  function keepOnly(past, isKept, current) {
    const places = new Map();
    past.moments.forEach((_, index) => isKept(index) && places.set(index, places.size));
    const place = (index) => (places.has(index) ? places.get(index) : null);
    const moments = past.moments
      .filter((_, index) => isKept(index))
      .map((moment) => {
        const beside = moment.beside === undefined ? null : place(moment.beside);
        return Object.assign({}, moment, { parent: place(moment.parent), next: place(moment.next), beside: beside });
      });
    return { moments: moments, current: place(current) ?? -1 };
  }

  /* Beyond the limit the oldest moment goes; what followed it begins a branch of its own. */
  function forgetOldest(past, most) {
    const surplus = past.moments.length - most;
    return surplus > 0 ? keepOnly(past, (index) => index >= surplus, past.current) : past;
  }

  /**
   * Go to the moment of an answer. A request that was not seen before becomes a child of `parent`, or begins a branch
   * where that is null. `seen`: state, label, text, score and model_hash, as the server says them.
   */
  function visit(past, seen, parent, most) {
    const known = find(past, seen.state);
    if (known >= 0) {
      const { label, ...answer } = seen;
      return rememberWay(replaced(past, known, answer), known);
    }
    const fresh = Object.assign({ name: "", note: "", star: false, next: null }, seen, { parent: parent });
    const grown = { moments: past.moments.concat([fresh]), current: past.current };
    return forgetOldest(rememberWay(grown, past.moments.length), most);
  }

  function children(past) {
    const found = past.moments.map(() => []);
    past.moments.forEach((moment, index) => moment.parent !== null && found[moment.parent].push(index));
    return found;
  }

  /** The moment that undo goes to, or null. */
  function before(past) {
    return past.current < 0 ? null : past.moments[past.current].parent;
  }

  /** The moment that redo goes to, or null: the child visited last. */
  function after(past) {
    if (past.current < 0) {
      return null;
    }
    const next = past.moments[past.current].next;
    return next === null ? children(past)[past.current].at(-1) ?? null : next;
  }

  /** The way from the beginning of the branch through the current moment to where redo leads in the end. */
  function way(past) {
    const found = [];
    for (let index = past.current; index !== null && index >= 0; index = past.moments[index].parent) {
      found.unshift(index);
    }
    let last = { moments: past.moments, current: past.current };
    for (let next = after(last); next !== null; next = after(last)) {
      found.push(next);
      last = { moments: past.moments, current: next };
    }
    return found;
  }

  /** Whether each moment is in the branch that begins with one. */
  function branch(past, first) {
    const inside = [];
    past.moments.forEach((moment, index) => {
      inside.push(index === first || (moment.parent !== null && inside[moment.parent] === true));
    });
    return inside;
  }

  /** The history without a branch, and the moment that is on the page then: null where nothing is left. */
  function withoutBranch(past, first) {
    const inside = branch(past, first);
    const parent = past.moments[first].parent;
    const elsewhere = inside.findIndex((one) => !one);
    const next = !inside[past.current] ? past.current : parent ?? elsewhere;
    return next < 0 ? null : keepOnly(past, (index) => !inside[index], next);
  }

  /**
   * The rows of the drawn tree, from the top: `{index, lane, passing, first, last}`. The last child of a moment goes on
   * in its lane, and the branches begun before it stand above it, a lane further, so that rows are in the order of
   * their making. `passing`: the lanes whose line goes on below the row. `first`: the row begins a branch. `last`: nothing follows in its lane.
   */
  function rows(past) {
    const below = children(past);
    const found = [];
    const roots = past.moments.map((_, index) => index).filter((index) => past.moments[index].parent === null);
    const waiting = roots.reverse().map((index) => ({ index: index, lane: 0, passing: [], first: true }));
    while (waiting.length) {
      const row = waiting.pop();
      const others = below[row.index].slice();
      const main = others.pop();
      const goesOn = main === undefined ? row.passing : row.passing.concat([row.lane]);
      found.push({ index: row.index, lane: row.lane, passing: goesOn, first: row.first, last: main === undefined });
      if (main !== undefined) {
        waiting.push({ index: main, lane: row.lane, passing: row.passing, first: false });
        others.reverse().forEach((index) => {
          waiting.push({ index: index, lane: row.lane + 1, passing: goesOn, first: true });
        });
      }
    }
    return found;
  }

  /** What a repetition penalty makes of a score; a beam of 1 weighs logits, a larger one log-probabilities. */
  function scaleOf(request) {
    const penalty = request.repetition_penalty;
    if (penalty === undefined || penalty === null || penalty === 1) return "";
    return penalty + (request.beam_size === 1 ? " of logits" : "");
  }

  /** The change of the score from a moment's parent; null where the two scores do not compare. */
  function gain(past, index) {
    const moment = past.moments[index];
    const parent = moment.parent === null ? null : past.moments[moment.parent];
    const compares =
      parent && parent.score !== null && moment.score !== null && parent.score !== undefined && moment.score !== undefined;
    const alike =
      compares &&
      parent.state.request.model_id === moment.state.request.model_id &&
      parent.length_penalty === moment.length_penalty &&
      scaleOf(parent.state.request) === scaleOf(moment.state.request);
    return alike ? moment.score - parent.score : null;
  }

  scope.past = { EMPTY, find, replaced, visit, children, before, after, way, branch, withoutBranch, rows, gain };
})();
