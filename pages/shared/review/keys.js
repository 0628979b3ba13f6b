// Keys of the page: each chooses what a mouse would click. data: {key: [st-key class, index]}.
// In capture, so that they work with the film in focus too; they are none of the viewer's keys.
// A key that comes while the page is drawn anew waits: the form may be about to be another one.
// After the key for the comment all is text and no key, on whatever case: it waits with that key.

const WAITS_MS = 3000; // nobody remembers for longer what was pressed
const APPEARS_MS = 500; // a form is there a moment after the script that draws it has ended
const HEARD_MS = 2000; // the script runs after a click, but only the server says so
const SETTLES_MS = 200; // the page may seem to be done for a moment
const PAUSE_MS = 1000; // who types at a comment that is not there has stopped
const COMMENT = "review-comment", STORE = "store";
const RUNS = "[class*=st-key-review-store-], .st-key-review-next, .st-key-review-previous";
let current = null;
let waiting = []; // {what, at, text}: what was chosen, when, what was typed then; the first one first
let drawnAt = 0; // when the page was seen to change for the last time
let heardBy = 0; // until then the run that was clicked for is still to come

function isDrawn() {
  const now = performance.now();
  const state = document.querySelector(".stApp")?.dataset.testScriptState;
  const changes = document.querySelector("[data-stale=true], .review-again"); // case.py says the latter
  const runs = changes || ["running", "rerunRequested"].includes(state);
  if (runs) [drawnAt, heardBy] = [now, 0];
  return now - drawnAt > SETTLES_MS && now > heardBy;
}

function hear() { // what comes while no key waits must not be missed
  if (!isDrawn()) setTimeout(hear, 30);
}

function find([name, index]) {
  if (name === STORE) return document.querySelector("[class*=st-key-review-store-] button");
  const controls = document.querySelectorAll(`.st-key-${name} :is(input, textarea, button)`);
  return [...controls].filter((one) => one.type !== "button" || one.offsetParent)[index];
}

function choose() {
  while (waiting.length) {
    const now = performance.now();
    const [{ what, at, text }] = waiting;
    const isThere = isDrawn();
    const isText = what[0] === COMMENT;
    const isLate = now - at > WAITS_MS;
    const control = isThere && !isLate ? find(what) : null;
    const mayCome = !isThere || (!control && now - Math.max(at, drawnAt) <= (isText ? PAUSE_MS : APPEARS_MS));
    if (mayCome && (isText || !isLate)) {
      setTimeout(choose, 30);
      return;
    }
    waiting.shift();
    if (isText && control) write(control, text);
    else control?.click();
    if (text && waiting.length) { // the form learns of a text a moment later
      setTimeout(choose, 30);
      return;
    }
  }
}

function write(area, text) {
  area.focus(); // what is typed next is its own
  if (!text) return;
  area.setRangeText(text, area.selectionStart, area.selectionEnd, "end");
  area.dispatchEvent(new Event("input", { bubbles: true }));
}

function hold(last, { key, repeat }) {
  last.at = performance.now();
  if (key === "Backspace") last.text = last.text.slice(0, -1);
  else if (!repeat) last.text += key === "Enter" ? "\n" : key;
}

export default function mount({ data }) {
  const press = (event) => {
    const [target] = event.composedPath();
    const onFilm = event.composedPath().some((element) => element.matches?.(".viewer"));
    const isTyping = target.matches?.("textarea, select, input:not([type=radio], [type=checkbox])");
    const isOff = document.documentElement.dataset.shortcuts === "off";
    const isModified = event.ctrlKey || event.metaKey || event.altKey;
    const isStore = (event.ctrlKey || event.metaKey) && event.key === "Enter";
    const inComment = isStore && target.matches?.(`.st-key-${COMMENT} textarea`);
    if (isTyping && !inComment) return;
    const last = waiting.at(-1);
    const isLetter = !isModified && (event.key.length === 1 || ["Enter", "Backspace"].includes(event.key));
    const isHeld = isLetter && last?.what[0] === COMMENT;
    const what = isStore ? [STORE] : data[event.key.toLowerCase()];
    const isNone = event.repeat || !what || (event.key === "?" && onFilm); // the film has its own
    if (!isHeld && (isNone || (!isStore && (isOff || isModified)))) return;
    event.preventDefault();
    event.stopPropagation();
    if (isHeld) {
      hold(last, event);
      return;
    }
    if (inComment) target.blur(); // what is typed next is for the next case
    waiting.push({ what, at: performance.now(), text: "" });
    if (waiting.length === 1) choose();
  };
  const click = (event) => {
    if (event.isTrusted) waiting = []; // a hand on the mouse may have chosen another case
    if (!event.target.closest?.("button:enabled")?.closest(RUNS)) return;
    heardBy = performance.now() + HEARD_MS;
    hear();
  };
  current?.();
  window.addEventListener("keydown", press, true);
  window.addEventListener("click", click, true);
  const end = () => {
    window.removeEventListener("keydown", press, true);
    window.removeEventListener("click", click, true);
  };
  current = end;
  return end;
}
