// The player: an overlay over the results that goes from moment to moment, and streams that are begun anew.
"use strict";
(() => {
  const theatre = () => document.querySelector("#theatre");
  const thumbs = () => [...document.querySelectorAll("#cards .thumb[data-play]")];
  let shown = null; // the link of the moment that plays
  let asking = null; // ends a request that nobody waits for any more

  function open(link) {
    const box = theatre();
    const stage = box.querySelector(".stage");
    const card = link.closest(".card");
    const all = thumbs();
    const at = all.indexOf(link);
    shown = link;
    leave();
    clear(stage);
    // The picture of the card is there already: it stands until the player comes.
    const poster = card.querySelector(".thumb img:not(.strip)").cloneNode();
    poster.className = "poster";
    stage.append(poster);
    box.querySelector("#theatre-name").textContent = (card.querySelector("h2") ?? card.parentElement.closest(".card").querySelector("h2")).textContent;
    box.querySelector(".place").textContent = `${card.querySelector(".when").textContent} · ${at + 1}/${all.length}`;
    box.querySelector("[data-step='-1']").disabled = at <= 0;
    box.querySelector("[data-step='1']").disabled = at >= all.length - 1;
    const about = [...card.querySelectorAll(".why, .seen, blockquote, .acts")].map((part) => part.cloneNode(true));
    box.querySelector(".about").replaceChildren(...about);
    if (!box.open) box.showModal();
    load(link.href, stage);
  }

  async function load(address, stage) {
    asking?.abort();
    const own = asking = new AbortController();
    try {
      const answer = await fetch(address, { headers: { "HX-Request": "true" }, signal: own.signal });
      const text = await answer.text();
      if (own.signal.aborted) return;
      const part = document.createElement("template");
      part.innerHTML = text;
      clear(stage);
      stage.replaceChildren(part.content);
      const video = stage.querySelector("video");
      if (!video) return;
      video.play().catch(() => {}); // where a browser wants a click first, the controls are there
      video.focus();
    } catch (error) {
      if (error.name !== "AbortError") location.href = address;
    }
  }

  // A video that is only taken out goes on to load.
  function clear(stage) {
    const video = stage.querySelector("video");
    if (video) { video.removeAttribute("src"); video.load(); }
    stage.replaceChildren();
  }

  function step(by) {
    const all = thumbs();
    const next = all[all.indexOf(shown) + by];
    if (next) open(next);
  }

  // Streams cannot be sought in: one from another second takes their place.
  function streamFrom(video, second) {
    video.dataset.begins = second.toFixed(3);
    for (const track of video.querySelectorAll("track")) {
      track.src = track.src.replace(/shift=[^&]*$/, `shift=${second.toFixed(3)}`);
    }
    video.src = `${video.dataset.stream}?start=${second.toFixed(3)}`;
    video.play().catch(() => {});
  }

  function seek(video, second) {
    if (video.dataset.stream) streamFrom(video, second);
    else { video.currentTime = second; video.play().catch(() => {}); }
  }

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const box = theatre();
    const link = event.target.closest("[data-play], [data-seek], [data-step], [data-leave]");
    if (event.target === box) box.close(); // the dark around it
    else if (!link) return;
    else if (link.dataset.play !== undefined && box) { event.preventDefault(); open(link); }
    else if (link.dataset.step) step(Number(link.dataset.step));
    else if (link.dataset.leave !== undefined) box.close();
    else if (link.dataset.seek && document.querySelector("#player")) {
      event.preventDefault();
      seek(document.querySelector("#player"), Number(link.dataset.seek));
      history.replaceState(history.state, "", link.getAttribute("href"));
    }
  });

  document.addEventListener("keydown", (event) => {
    if (!theatre()?.open || event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { n: 1, ".": 1, p: -1, ",": -1 }[event.key];
    if (by) { event.preventDefault(); step(by); }
  });

  // Events of dialogs and videos do not rise; they are caught on their way down.
  document.addEventListener("close", (event) => {
    if (event.target !== theatre()) return;
    asking?.abort();
    clear(event.target.querySelector(".stage"));
    shown?.focus();
    shown = null;
  }, true);

  document.addEventListener("error", (event) => {
    const video = event.target;
    if (!video.matches?.("video.screen") || !video.getAttribute("src")) return;
    const note = video.parentElement.querySelector(".cannot");
    if (video.dataset.stream && video.currentTime > 0) streamFrom(video, Number(video.dataset.begins) + video.currentTime);
    else if (note) { note.hidden = false; video.hidden = true; }
  }, true);

  // The server lets go of a stream that was paused for long; going on takes it up again.
  document.addEventListener("ended", (event) => {
    const video = event.target;
    if (!video.dataset.stream) return;
    const at = Number(video.dataset.begins) + video.currentTime;
    if (video.currentTime > 5 && at < Number(video.dataset.ends) - 2) streamFrom(video, at);
  }, true);

  // The link that unfolded other moments of a video is gone: what has the focus is the first of them.
  document.addEventListener("htmx:after:swap", () => {
    if (document.activeElement === document.body) {
      const fold = [...document.querySelectorAll(".fold:not([data-open]) .thumb")];
      fold[0]?.focus();
    }
    document.querySelectorAll(".fold:has(.thumb)").forEach((fold) => { fold.dataset.open = ""; });
  });

  // Whoever stays on a card sees a few pictures of its moment in turn.
  const mayMove = matchMedia("(prefers-reduced-motion: no-preference)");
  const canHover = matchMedia("(hover: hover)");
  let waiting = 0;
  function leave() {
    clearTimeout(waiting);
    waiting = 0;
    document.querySelectorAll(".thumb .strip").forEach((strip) => strip.remove());
  }
  function stay(link) {
    leave();
    if (!mayMove.matches || !link.dataset.strip) return;
    waiting = setTimeout(() => {
      const strip = document.createElement("img");
      strip.className = "strip";
      strip.alt = "";
      const own = waiting;
      strip.addEventListener("load", () => { if (own === waiting) link.querySelector("img").after(strip); });
      strip.src = link.dataset.strip;
    }, 350);
  }
  document.addEventListener("pointerover", (event) => {
    if (!canHover.matches) return;
    const link = event.target.closest?.(".thumb");
    if (link && !link.contains(event.relatedTarget)) stay(link);
  });
  document.addEventListener("pointerout", (event) => {
    const link = event.target.closest?.(".thumb");
    if (link && !link.contains(event.relatedTarget)) leave();
  });
  document.addEventListener("focusin", (event) => { if (event.target.matches?.(".thumb")) stay(event.target); });
  document.addEventListener("focusout", (event) => { if (event.target.matches?.(".thumb")) leave(); });
})();
