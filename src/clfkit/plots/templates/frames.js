
for (const frames of document.querySelectorAll(".frames:not([data-ready])")) {
  frames.dataset.ready = "";
  const images = [...frames.querySelectorAll("img")], caption = frames.querySelector("figcaption");
  playable({
    range: frames.querySelector("input"),
    play: frames.querySelector("button"),
    milliseconds: Number(frames.dataset.milliseconds),
    slow: Number(frames.dataset.slow),
    show(index) {
      images.forEach((image, at) => { image.hidden = at !== index; });
      return caption.textContent = images[index].dataset.caption;
    },
  });
  frames.querySelector(".frames-controls").hidden = false;
  images.forEach((image) => image.decode().catch(() => {}));
}
