/* What pages do beyond plain links and forms; all of it can be done without. */
"use strict";

// On a phone the navigation is one line, of which only a part is seen.
document.addEventListener("DOMContentLoaded", () => {
  const current = document.querySelector(".menu [aria-current]");
  const menu = current && current.closest(".menu");
  if (menu && menu.scrollWidth > menu.clientWidth) {
    menu.scrollLeft = current.offsetLeft - (menu.clientWidth - current.offsetWidth) / 2;
  }
});

document.addEventListener("keydown", (event) => {
  const search = document.getElementById("q");
  const typing = event.target.closest("input, textarea, select, [contenteditable]");
  if (event.key === "/" && search && !typing && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    search.focus();
    search.select();
  }
  if (event.key === "Escape") {
    const open = event.target.closest("details.time[open]");
    if (open) {
      open.open = false;
      open.querySelector("summary").focus();
    }
  }
});

for (const origin of document.querySelectorAll("[data-origin]")) {
  origin.textContent = location.origin;
}
