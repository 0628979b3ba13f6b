// The switch of the keys that are a single character, such as J or +. `data-shortcuts` of the
// document says whether they are "on" or "off": viewer.js, keys.js and style.css look there, and
// what is set there is kept in this browser.

const KEPT = "pneumoscope-shortcuts";
const page = document.documentElement;
const WRITES = "textarea, select, [contenteditable], input:not([type=radio], [type=checkbox], [type=range])";
const CHOOSES = "[role=listbox], [role=combobox], [role=menu]"; // they go to what begins with a letter

function remember() {
  localStorage.setItem(KEPT, page.dataset.shortcuts);
}

// First of all listeners: Streamlit has keys of its own, also on pages without a list of keys.
function hold(event) {
  if (page.dataset.shortcuts !== "off" || event.ctrlKey || event.metaKey || event.altKey) return;
  const [target] = event.composedPath();
  const isOfField = target.matches?.(WRITES) || target.closest?.(CHOOSES);
  if (event.key.length === 1 && event.key !== " " && !isOfField) event.stopImmediatePropagation();
}

function watch(change) {
  const observer = new MutationObserver(change);
  observer.observe(page, { attributeFilter: ["data-shortcuts"] });
  return () => observer.disconnect();
}

export default function mount({ data, parentElement }) {
  if (!page.dataset.shortcuts) { // once for a document: it outlives every page
    page.dataset.shortcuts = localStorage.getItem(KEPT) === "off" ? "off" : "on";
    window.addEventListener("keydown", hold, true);
    watch(remember);
  }
  const box = parentElement.querySelector("input");
  if (!box) return undefined;
  const show = () => { box.checked = page.dataset.shortcuts !== "off"; };
  show();
  box.onchange = () => { page.dataset.shortcuts = box.checked ? "on" : "off"; };
  parentElement.querySelector("span").textContent = data.title;
  parentElement.querySelector("small").textContent = data.note;
  return watch(show);
}
