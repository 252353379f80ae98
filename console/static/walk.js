/* Walks through a history by a slider: each instant is a link of the page, which is then shown here. */
"use strict";

(() => {
  const PAUSE_MS = 60;
  let turn = 0;

  const links = () => [...document.querySelectorAll(".walk-notches a")];

  const prepare = () => {
    const range = document.querySelector(".walk-range");
    if (range) {
      range.hidden = false;
    }
    return range;
  };

  const tell = (range) => {
    const link = links()[range.value];
    range.setAttribute("aria-valuetext", link.textContent);
    document.querySelector(".walk-text").textContent = link.textContent;
  };

  const go = async (range) => {
    const address = links()[range.value].href;
    turn += 1;
    const own = turn;
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    if (own !== turn) {
      return;
    }
    const answer = await fetch(address, { headers: { accept: "text/html" } });
    const text = await answer.text();
    if (own !== turn) {
      return;
    }
    if (!answer.ok || answer.redirected) {
      location.assign(address);
      return;
    }
    show(new DOMParser().parseFromString(text, "text/html"), address);
  };

  const show = (shown, address) => {
    const open = [...document.querySelectorAll("details[id][open]")].map((one) => one.id);
    const { scrollX, scrollY } = window;
    const focused = document.activeElement?.className === "walk-range";
    document.title = shown.title;
    document.body.replaceChildren(...shown.body.childNodes);
    history.replaceState(null, "", address);
    for (const id of open) {
      const details = document.getElementById(id);
      if (details) {
        details.open = true;
      }
    }
    const range = prepare();
    if (range && focused) {
      range.focus({ preventScroll: true });
    }
    window.scrollTo(scrollX, scrollY);
  };

  document.addEventListener("input", (event) => {
    if (event.target.matches(".walk-range")) {
      tell(event.target);
    }
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches(".walk-range")) {
      go(event.target);
    }
  });
  prepare();
})();
