(() => {
  const inlined = JSON.parse(document.getElementById("inlined").textContent);
  const names = inlined.classes;
  const find = (id) => document.getElementById(id);
  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
  const digits = new Intl.NumberFormat("en"), counted = (number) => digits.format(number);
  const painters = [];

  // Charts: a line follows the pointer or the arrow keys, and the values there are read out.
  for (const svg of document.querySelectorAll(".chart svg[data-spoken]")) {
    const spoken = svg.dataset.spoken.split("|"), columns = svg.dataset.columns.split(",").map(Number);
    const lines = [...svg.querySelectorAll(".line")].map((line) => [line.dataset.name, line.dataset.values.split("|")]);
    const cursor = svg.querySelector(".cursor"), readout = svg.parentElement.querySelector(".readout");
    let at = -1;
    const show = (index) => {
      at = Math.max(0, Math.min(columns.length - 1, index));
      cursor.setAttribute("x1", columns[at]);
      cursor.setAttribute("x2", columns[at]);
      cursor.setAttribute("visibility", "visible");
      readout.textContent = `${spoken[at]}: ` + lines.map(([name, values]) => `${name} ${values[at]}`).join(", ");
    };
    const hide = () => {
      cursor.setAttribute("visibility", "hidden");
      readout.textContent = "\u00a0";
    };
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
      let best = 0;
      columns.forEach((column, index) => { if (Math.abs(column - x) < Math.abs(columns[best] - x)) best = index; });
      show(best);
    });
    svg.addEventListener("pointerleave", hide);
    svg.addEventListener("blur", hide);
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: columns.length - 1 };
      if (!(event.key in moves)) return;
      event.preventDefault();
      show(moves[event.key]);
    });
  }

  // Tables: the first rows until more are asked for; sorted by a heading, filtered by the name.
  for (const gallery of document.querySelectorAll("ul.limited")) {
    const items = [...gallery.children], more = document.createElement("button");
    const late = items.slice(items.length > gallery.dataset.limit * 1.2 ? gallery.dataset.limit : items.length);
    if (!late.length) continue;
    for (const item of late) item.hidden = true;
    more.type = "button";
    more.className = "more";
    more.textContent = `Show all ${items.length}`;
    more.addEventListener("click", () => {
      for (const item of late) item.hidden = false;
      more.remove();
    });
    gallery.after(more);
  }
  for (const table of document.querySelectorAll("table.limited")) {
    const body = table.tBodies[0], limit = Number(table.dataset.limit);
    const filter = table.dataset.filter && find(table.dataset.filter), count = table.dataset.count && find(table.dataset.count);
    const printed = table.dataset.printed && find(table.dataset.printed);
    let rows = [...body.rows], all = rows.length <= limit * 1.2;
    const lowered = new Map(rows.map((row) => [row, row.cells[0].textContent.toLowerCase()]));
    const more = document.createElement("button");
    more.type = "button";
    more.className = "more";
    table.parentElement.after(more);
    const show = () => {
      const wanted = filter ? filter.value.trim().toLowerCase() : "";
      const found = rows.filter((row) => lowered.get(row).includes(wanted));
      const shown = new Set(all ? found : found.slice(0, limit));
      for (const row of rows) row.hidden = !shown.has(row);
      more.hidden = shown.size === found.length;
      more.textContent = `Show all ${counted(found.length)}`;
      if (count) count.textContent = `${counted(found.length)} of ${counted(rows.length)}`;
      if (printed) {
        const named = wanted ? ` of those with “${wanted}” in their name` : "";
        printed.textContent = shown.size < rows.length ? `The first ${counted(shown.size)} of ${counted(rows.length)} classes${named}.` : "";
      }
    };
    more.addEventListener("click", () => { all = true; show(); });
    filter?.addEventListener("input", show);
    if (table.classList.contains("sortable")) {
      const headings = [...table.tHead.rows[0].cells];
      headings.forEach((heading, column) => {
        const button = document.createElement("button");
        button.type = "button";
        button.textContent = heading.textContent;
        heading.replaceChildren(button);
        button.addEventListener("click", () => {
          const up = heading.getAttribute("aria-sort") !== "ascending";
          headings.forEach((each) => each.removeAttribute("aria-sort"));
          heading.setAttribute("aria-sort", up ? "ascending" : "descending");
          const numeric = heading.classList.contains("number");
          const keys = new Map(rows.map((row) => {
            const text = row.cells[column].textContent;
            return [row, numeric ? parseFloat(text.replaceAll(",", "")) : text];
          }));
          const compare = numeric ? (a, b) => a - b : new Intl.Collator("en", { numeric: true }).compare;
          rows.sort((first, second) => {
            const a = keys.get(first), b = keys.get(second);
            if (numeric && (Number.isNaN(a) || Number.isNaN(b))) return Number.isNaN(a) - Number.isNaN(b);
            return up ? compare(a, b) : compare(b, a);
          });
          body.append(...rows);
          show();
        });
      });
    }
    show();
  }

  // A canvas as sharp as the screen; paints anew when its size or the colour scheme changes. Returns a way to ask for
  // it, at most once a frame.
  function painted(canvas, paint) {
    let asked = 0;
    const again = () => {
      cancelAnimationFrame(asked);
      asked = 0;
      const width = canvas.clientWidth, ratio = window.devicePixelRatio || 1;
      if (!width) return;
      canvas.width = Math.round(width * ratio);
      canvas.height = Math.round(canvas.clientHeight * ratio);
      const context = canvas.getContext("2d");
      context.setTransform(ratio, 0, 0, ratio, 0, 0);
      paint(context, width, canvas.clientHeight);
    };
    new ResizeObserver(again).observe(canvas);
    painters.push(again);  // at once: a page that is printed does not wait for a frame
    return () => { asked ||= requestAnimationFrame(again); };
  }
  for (const query of ["(prefers-color-scheme: dark)", "print"])
    matchMedia(query).addEventListener("change", () => painters.forEach((paint) => paint()));

  if (inlined.planes) planes(inlined.planes);
  if (inlined.confusion) matrix(inlined.confusion);

  // Decision regions: cells as stretches of one class, points above them.
  function planes({ frames, points, side, optimal }) {
    const colours = () => names.map((_, index) => colour(`--class${index % 10}`));
    const unpacked = (text) => {
      const bytes = Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
      const cells = new Uint8Array(side * side);
      for (let at = 0, pair = 0; pair < bytes.length; pair += 2) {
        cells.fill(bytes[pair + 1], at, at + bytes[pair]);
        at += bytes[pair];
      }
      return cells;
    };
    const best = optimal && unpacked(optimal);
    function paint(context, width, height, frame) {
      const cells = unpacked(frame.cells), palette = colours();
      const small = new OffscreenCanvas(side, side), pixels = new ImageData(side, side);
      const rgb = palette.map((text) => [1, 3, 5].map((at) => parseInt(text.slice(at, at + 2), 16)));
      for (let y = 0; y < side; y++)
        for (let x = 0; x < side; x++)
          pixels.data.set([...rgb[cells[y * side + x]], 76], 4 * ((side - 1 - y) * side + x));
      small.getContext("2d").putImageData(pixels, 0, 0);
      context.fillStyle = colour("--card");
      context.fillRect(0, 0, width, height);
      context.imageSmoothingEnabled = true;
      context.drawImage(small, 0, 0, width, height);
      if (best) {
        context.beginPath();
        const cell = width / side;
        for (let y = 0; y < side; y++)
          for (let x = 0; x < side; x++) {
            const own = best[y * side + x], left = x * cell, top = (side - 1 - y) * cell;
            if (x + 1 < side && best[y * side + x + 1] !== own) { context.moveTo(left + cell, top); context.lineTo(left + cell, top + cell); }
            if (y + 1 < side && best[(y + 1) * side + x] !== own) { context.moveTo(left, top); context.lineTo(left + cell, top); }
          }
        context.strokeStyle = colour("--text");
        context.globalAlpha = .45;
        context.stroke();
        context.globalAlpha = 1;
      }
      const wrong = new Set(frame.wrong), radius = points.x.length > 400 ? 2.4 : 3.2;
      points.classes.forEach((own, index) => {
        const x = points.x[index] * width / 1000, y = height - points.y[index] * height / 1000;
        context.beginPath();
        context.arc(x, y, radius, 0, 7);
        context.fillStyle = palette[own];
        context.fill();
        if (!wrong.has(index)) return;
        context.beginPath();
        context.arc(x, y, radius + 2.6, 0, 7);
        context.strokeStyle = colour("--text");
        context.lineWidth = 1.3;
        context.stroke();
      });
      context.lineWidth = 1;
    }
    let shown = Number(find("plane-slider").value);
    const again = [...document.querySelectorAll(".plane")].map((canvas) =>
      painted(canvas, (context, width, height) => paint(context, width, height, frames[canvas.dataset.place === "first" ? 0 : shown])));
    const last = document.querySelector(".plane[data-place=last]"), caption = last.parentElement.querySelector("figcaption");
    const label = (canvas, { caption, wrong }) =>
      canvas?.setAttribute("aria-label", `Decision regions, ${caption}, ${wrong.length} of ${points.x.length} points wrong`);
    label(document.querySelector(".plane[data-place=first]"), frames[0]);
    playable({
      range: find("plane-slider"),
      play: find("plane-play"),
      milliseconds: 160,
      slow: 1000,
      show(index) {
        shown = index;
        label(last, frames[index]);
        again.at(-1)();
        return caption.textContent = frames[index].caption;
      },
    });
    const items = names.map((name, index) => [name, `background: var(--class${index % 10})`, ""]);
    if (best) items.push(["best possible boundary", "", "outline"]);
    find("plane-legend").replaceChildren(...items.map(([text, style, look]) => {
      const item = document.createElement("li"), swatch = document.createElement("i");
      swatch.style.cssText = style;
      swatch.className = look;
      item.append(swatch, text);
      return item;
    }));
  }

  // The confusion matrix: only cells that hold samples, over a window of `size` × `size` classes.
  function matrix(flat) {
    const count = names.length, canvas = find("matrix"), readout = find("matrix-readout"), ordering = find("matrix-order");
    const cells = [], support = new Array(count).fill(0), right = new Array(count).fill(0), at = new Map();
    for (let index = 0; index < flat.length; index += 3) {
      const [row, column, samples] = flat.slice(index, index + 3);
      cells.push({ row, column, samples });
      at.set(row * count + column, samples);
      support[row] += samples;
      if (row === column) right[row] = samples;
    }
    const every = names.map((_, index) => index);
    const recall = (index) => support[index] ? right[index] / support[index] : 2;
    const orders = {
      data: () => every,
      recall: () => [...every].sort((a, b) => recall(a) - recall(b)),
      support: () => [...every].sort((a, b) => support[b] - support[a]),
      alike: () => chained(cells, every),
    };
    let order = every, place = [...every], view = { x: 0, y: 0, size: count }, cursor = null, plot = null;
    const least = Math.min(count, 4);

    // Names are measured once, and cut once for a font and a width.
    const widths = new Map(), cuts = new Map();
    let fitting = "";
    const visible = (from) => order.slice(Math.floor(from), Math.ceil(from + view.size));
    function room(context, width) {
      context.font = "13px system-ui, sans-serif";
      const seen = [...visible(view.y), ...visible(view.x)];
      for (const index of seen) if (!widths.has(index)) widths.set(index, context.measureText(names[index]).width);
      return Math.min(.24 * width, 170, Math.max(26, Math.max(...seen.map((index) => widths.get(index))) + 14));
    }
    function fitted(context, index, room) {
      const now = `${context.font} ${room}`;
      if (now !== fitting) cuts.clear();
      fitting = now;
      if (!cuts.has(index)) cuts.set(index, cut(context, names[index], room));
      return cuts.get(index);
    }
    function paint(context, width) {
      const named = width / view.size >= 11;
      const gutter = named ? room(context, width) : 22;
      const cell = (width - gutter) / view.size;
      plot = { gutter, cell, width };
      canvas.dataset.shown = Math.round(view.size);
      const text = colour("--text"), muted = colour("--muted"), accent = colour("--accent");
      context.clearRect(0, 0, width, width);
      context.save();
      context.beginPath();
      context.rect(gutter, gutter, width - gutter, width - gutter);
      context.clip();
      context.fillStyle = colour("--card");
      context.fillRect(gutter, gutter, width - gutter, width - gutter);
      if (cursor) {
        context.fillStyle = colour("--soft");
        context.fillRect(gutter, gutter + (cursor.y - view.y) * cell, width, Math.max(cell, 1));
        context.fillRect(gutter + (cursor.x - view.x) * cell, gutter, Math.max(cell, 1), width);
      }
      const size = Math.max(cell - (cell >= 8 ? 1 : 0), Math.min(3, 700 / count + 1.6)), spare = Math.min(0, (cell - size) / 2);
      context.font = `${Math.min(13, cell * .4)}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      for (const { row, column, samples } of cells) {
        const left = gutter + (place[column] - view.x) * cell, top = gutter + (place[row] - view.y) * cell;
        if (left + cell < gutter || top + cell < gutter || left > width || top > width) continue;
        const share = samples / support[row];
        context.globalAlpha = row === column ? .1 + .35 * share : .35 + .65 * Math.sqrt(share);
        context.fillStyle = row === column ? muted : accent;
        context.fillRect(left + spare, top + spare, size, size);
        context.globalAlpha = 1;
        if (cell < 24) continue;
        context.fillStyle = row !== column && share > .2 ? colour("--on-accent") : text;
        context.fillText(counted(samples), left + cell / 2, top + cell / 2);
      }
      context.restore();
      context.strokeStyle = colour("--line");
      context.strokeRect(gutter + .5, gutter + .5, width - gutter - 1, width - gutter - 1);
      context.fillStyle = muted;
      context.font = "12px system-ui, sans-serif";
      context.textBaseline = "middle";
      if (!named) {
        context.textAlign = "left";
        context.fillText("predicted →", gutter, 10);
        context.save();
        context.rotate(Math.PI / 2);
        context.fillText("true →", gutter, -10);
        context.restore();
        return;
      }
      context.font = `${Math.max(9, Math.min(13, cell * .8))}px system-ui, sans-serif`;
      for (let index = Math.floor(view.y); index < Math.min(count, view.y + view.size); index++) {
        const middle = gutter + (index + .5 - view.y) * cell;
        if (middle < gutter) continue;
        context.textAlign = "right";
        context.fillText(fitted(context, order[index], gutter - 10), gutter - 6, middle);
      }
      for (let index = Math.floor(view.x); index < Math.min(count, view.x + view.size); index++) {
        const middle = gutter + (index + .5 - view.x) * cell;
        if (middle < gutter) continue;
        context.save();
        context.translate(middle, gutter - 6);
        context.rotate(-Math.PI / 2);
        context.textAlign = "left";
        context.fillText(fitted(context, order[index], gutter - 10), 0, 0);
        context.restore();
      }
    }
    const again = painted(canvas, paint);

    function look(size, x, y) {
      view.size = Math.max(least, Math.min(count, size));
      view.x = Math.max(0, Math.min(count - view.size, x));
      view.y = Math.max(0, Math.min(count - view.size, y));
      canvas.style.touchAction = view.size < count ? "none" : "pan-y";
      again();
    }
    function zoom(factor, x = view.x + view.size / 2, y = view.y + view.size / 2) {
      const size = Math.max(least, Math.min(count, view.size * factor)), by = size / view.size;
      look(size, x - (x - view.x) * by, y - (y - view.y) * by);
    }
    function tell() {
      const row = order[cursor.y], column = order[cursor.x], samples = at.get(row * count + column) || 0;
      const share = support[row] ? ` (${(100 * samples / support[row]).toFixed(1)} % of ${counted(support[row])})` : "";
      readout.textContent = `${names[row]} ${row === column ? "predicted right" : `taken for ${names[column]}`}: ${counted(samples)}${share}`;
    }
    function point(x, y) {
      const before = cursor;
      cursor = { x: Math.max(0, Math.min(count - 1, x)), y: Math.max(0, Math.min(count - 1, y)) };
      if (cursor.x === before?.x && cursor.y === before?.y) return;
      tell();
      again();
    }
    const under = (event) => {
      const box = canvas.getBoundingClientRect(), { gutter, cell } = plot;
      return { x: view.x + (event.clientX - box.left - gutter) / cell, y: view.y + (event.clientY - box.top - gutter) / cell };
    };
    const pointers = new Map();
    canvas.addEventListener("pointerdown", (event) => {
      pointers.set(event.pointerId, event);
      if (view.size < count) canvas.setPointerCapture(event.pointerId);
    });
    for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, (event) => pointers.delete(event.pointerId));
    canvas.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) {
        const { x, y } = under(event);
        if (x >= view.x && y >= view.y) point(Math.floor(x), Math.floor(y));
        return;
      }
      pointers.set(event.pointerId, event);
      if (pointers.size === 1)
        return look(view.size, view.x - (event.clientX - before.clientX) / plot.cell, view.y - (event.clientY - before.clientY) / plot.cell);
      const other = [...pointers.values()].find((each) => each.pointerId !== event.pointerId);
      const apart = (each) => Math.hypot(each.clientX - other.clientX, each.clientY - other.clientY) || 1;
      const { x, y } = under({ clientX: (event.clientX + other.clientX) / 2, clientY: (event.clientY + other.clientY) / 2 });
      zoom(apart(before) / apart(event), x, y);
    });
    canvas.addEventListener("pointerleave", () => { if (document.activeElement !== canvas) { cursor = null; again(); } });
    canvas.addEventListener("wheel", (event) => {
      if (!event.ctrlKey && !event.metaKey && document.activeElement !== canvas) return;
      event.preventDefault();
      const { x, y } = under(event);
      zoom(Math.exp(event.deltaY / 400), x, y);
    }, { passive: false });
    canvas.addEventListener("dblclick", (event) => { const { x, y } = under(event); zoom(.5, x, y); });
    canvas.addEventListener("keydown", (event) => {
      const first = { x: Math.floor(view.x), y: Math.floor(view.y) }, { x, y } = cursor || first;
      const moves = { ArrowLeft: [x - 1, y], ArrowRight: [x + 1, y], ArrowUp: [x, y - 1], ArrowDown: [x, y + 1] };
      if (event.key in moves) point(...(cursor ? moves[event.key] : [x, y]));
      else if (event.key === "+" || event.key === "=") zoom(.5, x + .5, y + .5);
      else if (event.key === "-") zoom(2, x + .5, y + .5);
      else if (event.key === "0") look(count, 0, 0);
      else return;
      event.preventDefault();
      if (cursor) look(view.size, Math.min(cursor.x, Math.max(view.x, cursor.x + 1 - view.size)), Math.min(cursor.y, Math.max(view.y, cursor.y + 1 - view.size)));
    });
    find("matrix-in").addEventListener("click", () => zoom(.5));
    find("matrix-out").addEventListener("click", () => zoom(2));
    find("matrix-all").addEventListener("click", () => look(count, 0, 0));
    ordering.addEventListener("change", () => {
      order = orders[ordering.value]();
      order.forEach((index, position) => { place[index] = position; });
      cursor = null;
      look(count, 0, 0);
    });
    const sought = find("matrix-find");
    find("matrix-names").append(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
    sought.addEventListener("input", () => {
      const index = names.indexOf(sought.value);
      if (index < 0) return;
      const position = place[index], size = Math.min(count, 16);
      look(size, position + .5 - size / 2, position + .5 - size / 2);
      point(position, position);
    });
  }

  // Classes in a row in which those that are confused most often stand beside each other.
  function chained(cells, every) {
    const groups = every.map((index) => [index]);
    const pairs = cells.filter(({ row, column }) => row !== column).sort((a, b) => b.samples - a.samples);
    for (const { row, column } of pairs) {
      const first = groups[row], second = groups[column];
      if (first === second) continue;
      if (first[0] === row && first.length > 1) first.reverse();
      if (second.at(-1) === column && second.length > 1) second.reverse();
      for (const index of second) groups[index] = first;
      first.push(...second);
    }
    return [...new Set(groups)].sort((a, b) => b.length - a.length).flat();
  }

  function cut(context, text, room) {
    if (context.measureText(text).width <= room) return text;
    const characters = [...text], end = (kept) => `…${characters.slice(-kept).join("")}`;
    let least = 1, most = characters.length;
    while (least < most) {
      const middle = Math.ceil((least + most) / 2);
      if (context.measureText(end(middle)).width <= room) least = middle;
      else most = middle - 1;
    }
    return end(least);
  }

  // The section that is read is marked in the list of sections.
  const links = new Map([...document.querySelectorAll("nav a")].map((link) => [link.hash.slice(1), link]));
  const observer = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      links.forEach((link) => link.removeAttribute("aria-current"));
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-20% 0px -70% 0px" });
  links.forEach((_, id) => { const section = find(id); if (section) observer.observe(section); });
})();
