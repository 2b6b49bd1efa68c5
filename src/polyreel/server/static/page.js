// What makes the page quicker than its links: keys, files that are dropped; and times where its reader is.
"use strict";
(() => {
  const body = document.body;
  const cards = () => [...document.querySelectorAll("#cards .thumb, #cards.moments > li > a:first-of-type")];

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
    if (document.querySelector("dialog[open]")) return; // it has keys of its own
    if (event.key === "Escape") {
      document.querySelectorAll(".page-language[open]").forEach((menu) => { menu.open = false; });
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

  // The page comes with times in UTC; here is known where its reader is.
  function showTimesHere() {
    const language = document.documentElement.lang;
    const day = new Intl.DateTimeFormat(language, { dateStyle: "medium" });
    const instant = new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "medium" });
    document.querySelectorAll("time[datetime]").forEach((time) => {
      time.textContent = (time.className === "day" ? day : instant).format(new Date(time.dateTime));
    });
  }
  showTimesHere();

  document.addEventListener("htmx:after:swap", () => {
    body.classList.remove("dropping");
    showTimesHere();
  });
})();
