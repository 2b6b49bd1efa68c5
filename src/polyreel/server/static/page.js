// What makes the page quicker than its links: play in place, keys, files that are dropped.
"use strict";
(() => {
  const body = document.body;
  const cards = () => [...document.querySelectorAll("#cards > li > a:first-of-type")];

  // Play the moment inside its card. Without this script the link leads to the page of the video.
  function play(link) {
    stop();
    const card = link.closest(".card");
    const video = document.createElement("video");
    video.controls = video.autoplay = true;
    video.tabIndex = 0;
    video.setAttribute("aria-label", link.getAttribute("aria-label"));
    video.addEventListener("error", () => refuse(card, link.dataset.play));
    video.src = link.dataset.play;
    const close = document.createElement("button");
    close.type = "button";
    close.className = "close";
    close.textContent = body.dataset.close;
    close.addEventListener("click", () => stop(true));
    link.hidden = true;
    card.classList.add("playing");
    link.before(video, close);
    video.focus({ preventScroll: true });
    card.scrollIntoView({ block: "nearest" });
  }

  function stop(back) {
    const card = document.querySelector(".card.playing");
    if (!card) return false;
    const video = card.querySelector("video");
    if (video) { video.removeAttribute("src"); video.load(); video.remove(); }
    card.querySelector(".close").remove();
    card.classList.remove("playing");
    const link = card.querySelector(".thumb");
    link.hidden = false;
    if (back) link.focus();
    return true;
  }

  function refuse(card, address) {
    if (!card.classList.contains("playing")) return;
    stop(true);
    const note = document.createElement("p");
    const open = document.createElement("a");
    note.className = "note cannot";
    note.setAttribute("role", "alert");
    open.href = address.split("#")[0];
    open.textContent = body.dataset.open;
    note.append(body.dataset.cannotPlay + " ", open);
    card.querySelector(".cannot")?.remove();
    card.querySelector(".thumb").after(note);
  }

  document.addEventListener("click", (event) => {
    if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
    const link = event.target.closest("[data-play], [data-seek]");
    if (link?.dataset.play) {
      event.preventDefault();
      play(link);
    } else if (link && document.querySelector("#player")) {
      event.preventDefault();
      const player = document.querySelector("#player");
      player.currentTime = Number(link.dataset.seek);
      player.play();
      history.replaceState(history.state, "", link.getAttribute("href"));
    }
  });

  // Arrows go from card to card, as they lie on the page.
  function neighbour(from, key) {
    const all = cards();
    const at = all.indexOf(from);
    if (key === "ArrowRight") return all[at + 1];
    if (key === "ArrowLeft") return all[at - 1];
    const place = from.getBoundingClientRect();
    const lies = (other) => other.getBoundingClientRect();
    const beyond = all.filter((other) => key === "ArrowDown" ? lies(other).top > place.top + 5 : lies(other).top < place.top - 5);
    const distance = (other) => Math.abs(lies(other).top - place.top) * 3 + Math.abs(lies(other).left - place.left);
    return beyond.sort((a, b) => distance(a) - distance(b))[0];
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const box = document.querySelector("#q");
    const here = document.activeElement;
    const writing = here?.matches("input, select, textarea, video");
    if (event.key === "Escape") {
      if (stop(true)) event.preventDefault();
      else document.querySelectorAll(".page-language[open]").forEach((menu) => { menu.open = false; });
    } else if (event.key === "/" && !writing && box) {
      event.preventDefault();
      box.focus();
      box.select();
    } else if (event.key.startsWith("Arrow")) {
      const all = cards();
      let next = null;
      if (here === box && event.key === "ArrowDown") next = all[0];
      else if (all.includes(here)) next = neighbour(here, event.key) || (event.key === "ArrowUp" ? box : null);
      else if (here === body && all.length) next = all[0];
      if (next) { event.preventDefault(); next.focus(); }
    }
  });

  // A picture or a clip may be dropped anywhere, or pasted.
  function send(files) {
    const form = document.querySelector("#drop");
    if (!form || !files.length) return false;
    form.querySelector("#file").files = files;
    form.requestSubmit();
    return true;
  }
  const holdsFile = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  document.addEventListener("dragover", (event) => {
    if (!holdsFile(event)) return;
    event.preventDefault();
    body.classList.add("dropping");
  });
  document.addEventListener("dragleave", (event) => { if (!event.relatedTarget) body.classList.remove("dropping"); });
  document.addEventListener("drop", (event) => {
    body.classList.remove("dropping");
    if (holdsFile(event)) { event.preventDefault(); send(event.dataTransfer.files); }
  });
  document.addEventListener("paste", (event) => { if (send(event.clipboardData?.files || [])) event.preventDefault(); });

  document.addEventListener("htmx:after:swap", () => body.classList.remove("dropping"));
})();
