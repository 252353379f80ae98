/* Keeps a page up to date: hears that something has moved, and has what shows it fetched anew.

   The element #live has the position that the page was made at. Each element with [data-live] is
   fetched anew by htmx when things of its kinds move (none: any), and every so often, since time
   alone changes what is shown, and what Windmill does moves no thing of Dodo's. A page that nobody sees hears nothing: browsers open few
   connections to one server. */
"use strict";

(() => {
  const TICK_MS = 5000;
  const SELDOM = 12;
  const status = document.getElementById("live");
  const title = document.title;
  let position = status && status.dataset.position;
  let source = null;
  let refreshing = 0;

  const regions = () => document.querySelectorAll("[data-live]");

  function refresh(kinds) {
    for (const region of regions()) {
      const own = region.dataset.live.split(" ").filter(Boolean);
      if (!kinds || !own.length || own.some((kind) => kinds.includes(kind))) {
        htmx.trigger(region, "moved");
      }
    }
  }

  function say(state, text) {
    if (status.dataset.state === state) {
      return;
    }
    status.dataset.state = state;
    status.className = state === "on" ? "live chip good" : "live chip bad";
    status.textContent = text;
    status.hidden = false;
    document.title = state === "on" ? title : `⚠ Not live · ${title}`;
  }

  function connect() {
    if (source || document.hidden) {
      return;
    }
    source = new EventSource("/live");
    source.addEventListener("moved", (event) => {
      const moved = JSON.parse(event.data);
      const first = status.dataset.state !== "on";
      say("on", "Live");
      if (first ? moved.position !== position : true) {
        refresh(first ? null : moved.kinds);
      }
      position = moved.position;
    });
    source.addEventListener("error", () => {
      say("off", "Connection lost: this may be out of date");
      if (source && source.readyState === EventSource.CLOSED) {
        disconnect();
        setTimeout(connect, 3000);
      }
    });
    let ticks = 0;
    refreshing = setInterval(() => {
      ticks += 1;
      for (const region of regions()) {
        if (region.hasAttribute("data-often") || ticks % SELDOM === 0) {
          htmx.trigger(region, "moved");
        }
      }
    }, TICK_MS);
  }

  function disconnect() {
    if (source) {
      source.close();
      source = null;
      clearInterval(refreshing);
    }
  }

  function hear() {
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) {
        disconnect();
        status.dataset.state = "paused";
      } else {
        connect();
      }
    });
    addEventListener("pagehide", disconnect);
    addEventListener("pageshow", connect);
    connect();
  }

  /* What may come back instead of the fragment: a page that asks to sign in, or one of an error;
     or another view, of which this page has no other part. */
  document.addEventListener("htmx:beforeSwap", (event) => {
    const { target, xhr } = event.detail;
    const page = new DOMParser().parseFromString(xhr.responseText, "text/html");
    const fresh = page.getElementById(target.id);
    if (!fresh) {
      event.detail.shouldSwap = false;
      if (status) {
        say("off", "Not live any more: load the page again");
      }
    } else if (fresh.dataset.view !== target.dataset.view) {
      event.detail.shouldSwap = false;
      location.reload();
    }
  });

  /* Changes what differs and leaves the rest alone, so that focus, scroll and selection stay. */
  function morph(old, fresh) {
    if (old.isEqualNode(fresh)) {
      return;
    }
    if (old.nodeType !== fresh.nodeType || old.nodeName !== fresh.nodeName) {
      old.replaceWith(fresh);
    } else if (old.nodeType !== Node.ELEMENT_NODE) {
      old.nodeValue = fresh.nodeValue;
    } else {
      for (const { name } of [...old.attributes]) {
        if (!fresh.hasAttribute(name) && name !== "open") {
          old.removeAttribute(name);
        }
      }
      for (const { name, value } of fresh.attributes) {
        if (old.getAttribute(name) !== value) {
          old.setAttribute(name, value);
        }
      }
      morphChildren(old, fresh);
    }
  }

  function morphChildren(old, fresh) {
    const byKey = new Map();
    for (const child of old.children) {
      if (child.dataset && child.dataset.key) {
        byKey.set(child.dataset.key, child);
      }
    }
    const keys = new Set([...fresh.children].map((child) => child.dataset.key));
    for (const [key, child] of byKey) {
      if (!keys.has(key)) {
        child.remove();
      }
    }
    let place = old.firstChild;
    for (const child of [...fresh.childNodes]) {
      const key = child.dataset && child.dataset.key;
      const known = key && byKey.get(key);
      if (known) {
        if (known === place) {
          place = place.nextSibling;
        } else {
          old.insertBefore(known, place);
        }
        morph(known, child);
      } else if (!key && place && !(place.dataset && place.dataset.key)) {
        const next = place.nextSibling;
        morph(place, child);
        place = next;
      } else {
        if (key) {
          child.classList.add("arrived");
        }
        old.insertBefore(child, place);
      }
    }
    while (place) {
      const next = place.nextSibling;
      place.remove();
      place = next;
    }
  }

  htmx.defineExtension("morph", {
    isInlineSwap: (style) => style === "morph",
    handleSwap: (style, target, fragment) => {
      if (style !== "morph") {
        return false;
      }
      const fresh = fragment.firstElementChild;
      if (fresh) {
        morph(target, fresh);
      }
      return [target];
    },
  });

  /* Of the past nothing moves. */
  if (status) {
    hear();
  }
})();
