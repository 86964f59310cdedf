"use strict";

// A slider through frames, and a button that plays them. `show` draws the frame of an index and returns its caption.
function playable({ range, play, milliseconds, slow, show }) {
  const last = Number(range.max), calm = matchMedia("(prefers-reduced-motion: reduce)");
  let timer = 0;
  const go = (index) => {
    range.value = index;
    range.setAttribute("aria-valuetext", show(index));
  };
  const pause = () => {
    clearTimeout(timer);
    timer = 0;
    play.textContent = "Play";
  };
  const wait = () => { timer = setTimeout(step, calm.matches ? slow : milliseconds); };
  const step = () => {
    const next = Number(range.value) + 1;
    if (next > last) return pause();
    go(next);
    wait();
  };
  const toggle = () => {
    if (timer) return pause();
    play.textContent = "Pause";
    if (Number(range.value) === last) go(0);
    wait();
  };
  play.addEventListener("click", toggle);
  range.addEventListener("input", () => { pause(); go(Number(range.value)); });
  range.addEventListener("keydown", (event) => {
    if (event.key === " " && last) { event.preventDefault(); toggle(); }
  });
  play.disabled = range.disabled = !last;
  go(Number(range.value));
}
