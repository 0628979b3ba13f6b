// Keys of the page: each chooses what a mouse would click. data: {key: [st-key class, index]}.
// In capture, so that they work with the film in focus too; they are none of the viewer's keys.

let current = null;

export default function mount({ data }) {
  const press = (event) => {
    const path = event.composedPath();
    const onFilm = path.some((element) => element.matches?.(".viewer"));
    if (onFilm && event.ctrlKey && event.key === "Enter") {  // Streamlit's shortcut ends at its root
      document.querySelector("[class*=st-key-review-store-] button")?.click();
      return;
    }
    const isTyping = path[0].matches?.("textarea, select, input:not([type=radio], [type=checkbox])");
    const isOff = document.documentElement.dataset.shortcuts === "off";
    if (isOff || isTyping || event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
    if (event.key === "?" && onFilm) return; // it has its own
    const [name, index] = data[event.key.toLowerCase()] ?? [];
    const controls = document.querySelectorAll(`.st-key-${name} :is(input, textarea, button)`);
    const control = name && [...controls].filter((one) => one.type !== "button" || one.offsetParent)[index];
    if (!control) return;
    event.preventDefault();
    event.stopPropagation();
    if (control.matches("textarea")) control.focus();
    else control.click();
  };
  if (current) window.removeEventListener("keydown", current, true);
  current = press;
  window.addEventListener("keydown", press, true);
  return () => window.removeEventListener("keydown", press, true);
}
