// Keys of the page: each chooses what a mouse would click. data: {key: [st-key class, index]}.
// In capture, so that they work with the film in focus too; they are none of the viewer's keys.
// A key that comes while the page is drawn anew waits: the form may be about to be another one.

const WAITS_MS = 3000; // nobody remembers for longer what was pressed
const APPEARS_MS = 300; // a form is there a moment after the script that draws it has ended
const HEARD_MS = 200; // a click is known to the script a moment later
const STORE = "store";
let current = null;
let waiting = []; // {what, at}: what was chosen, and when; the first one first
let drawnAt = 0; // when the page was seen to change for the last time

function isDrawn() {
  const state = document.querySelector(".stApp")?.dataset.testScriptState;
  return !["running", "rerunRequested"].includes(state) && !document.querySelector("[data-stale=true]");
}

function find([name, index]) {
  if (name === STORE) return document.querySelector("[class*=st-key-review-store-] button");
  const controls = document.querySelectorAll(`.st-key-${name} :is(input, textarea, button)`);
  return [...controls].filter((one) => one.type !== "button" || one.offsetParent)[index];
}

function choose() {
  while (waiting.length) {
    const now = performance.now();
    const [{ what, at }] = waiting;
    if (!isDrawn()) drawnAt = Math.max(drawnAt, now);
    const isLate = now - at > WAITS_MS;
    const control = now > drawnAt && !isLate ? find(what) : null;
    if (!control && !isLate && now - Math.max(at, drawnAt) <= APPEARS_MS) {
      setTimeout(choose, 30);
      return;
    }
    waiting.shift();
    if (control?.matches("textarea")) control.focus();
    else control?.click();
    if (control?.matches("button")) drawnAt = now + HEARD_MS;
  }
}

export default function mount({ data }) {
  const press = (event) => {
    const [target] = event.composedPath();
    const onFilm = event.composedPath().some((element) => element.matches?.(".viewer"));
    const isTyping = target.matches?.("textarea, select, input:not([type=radio], [type=checkbox])");
    const isOff = document.documentElement.dataset.shortcuts === "off";
    const isStore = event.ctrlKey && event.key === "Enter"; // while typing it is Streamlit's own
    if (isTyping || event.repeat) return;
    if (!isStore && (isOff || event.ctrlKey || event.metaKey || event.altKey)) return;
    if (event.key === "?" && onFilm) return; // it has its own
    const what = isStore ? [STORE] : data[event.key.toLowerCase()];
    if (!what) return;
    event.preventDefault();
    event.stopPropagation();
    const control = find(what);
    if (control?.matches("textarea")) { // at once: what is typed next is text, no keys
      control.focus();
      return;
    }
    waiting.push({ what, at: performance.now() });
    if (waiting.length === 1) choose();
  };
  if (current) window.removeEventListener("keydown", current, true);
  current = press;
  window.addEventListener("keydown", press, true);
  return () => window.removeEventListener("keydown", press, true);
}
