"use strict";
/* The viewer: canvases that share one window, one zoom and one cursor. Without it the page shows
   the figures as they are. Values come as 16-bit numbers, so any window shows all there is. */
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  if (!data.images.length) return;
  const $ = (id) => document.getElementById(id);
  const [rows, columns] = data.shape;
  const [height, width] = data.extent;
  const span = data.high - data.low;
  const view = { low: data.window.low, high: data.window.high, zoom: 1, x: 0.5, y: 0.5, split: 0.5,
                 flip: false, second: false };

  const decode = (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    return new Uint16Array(bytes.buffer);
  };
  const minus = (text) => text.replace("-", "\u2212");
  const format = (value) => minus(Number(value.toPrecision(3)).toString());

  /* One picture: its numbers, and a canvas of its own size that is painted anew with the window. */
  const pictures = data.images.map((image) => {
    const codes = decode(image.data);
    const values = new Float32Array(codes.length);
    const step = (image.high - image.low) / 65535;
    for (let k = 0; k < codes.length; k++) values[k] = image.low + step * codes[k];
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    return { ...image, values, canvas };
  });
  const truth = pictures.find((picture) => picture.truth);

  const paint = (canvas, color) => {
    const context = canvas.getContext("2d");
    const target = context.createImageData(columns, rows);
    const pixels = new Uint32Array(target.data.buffer);
    for (let k = 0; k < pixels.length; k++) pixels[k] = color(k);
    context.putImageData(target, 0, 0);
  };
  const grey = (values) => {
    const scale = 255 / Math.max(view.high - view.low, 1e-12);
    return (k) => {
      const level = Math.max(0, Math.min(255, Math.round((values[k] - view.low) * scale)));
      return 0xff000000 | (level << 16) | (level << 8) | level;
    };
  };

  /* Where a canvas looks: the part of the picture that it shows, in cells. */
  const part = () => {
    const half = 0.5 / view.zoom;
    view.x = Math.max(half, Math.min(1 - half, view.x));
    view.y = Math.max(half, Math.min(1 - half, view.y));
    return [(view.x - half) * columns, (view.y - half) * rows, columns / view.zoom, rows / view.zoom];
  };
  const fit = (canvas) => {
    const ratio = window.devicePixelRatio || 1;
    const box = canvas.getBoundingClientRect();
    const [w, h] = [Math.max(1, Math.round(box.width * ratio)), Math.max(1, Math.round(box.height * ratio))];
    if (canvas.width !== w || canvas.height !== h) [canvas.width, canvas.height] = [w, h];
    const context = canvas.getContext("2d");
    context.imageSmoothingEnabled = w / (columns / view.zoom) < 3;
    context.imageSmoothingQuality = "high";
    return [context, w, h];
  };
  const copy = (canvas, source, from = 0, to = 1) => {
    const [context, w, h] = fit(canvas);
    const [x, y, across, down] = part();
    context.save();
    context.beginPath();
    context.rect(from * w, 0, (to - from) * w, h);
    context.clip();
    context.drawImage(source, x, y, across, down, 0, 0, w, h);
    context.restore();
  };

  /* Tiles side by side. */
  const tiles = [];
  const addTile = (parent, picture, source) => {
    const tile = document.createElement("figure");
    tile.className = "tile";
    const frame = document.createElement("div");
    frame.style.aspectRatio = `${width} / ${height}`;
    const canvas = document.createElement("canvas");
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", picture.label);
    frame.append(canvas);
    const caption = document.createElement("figcaption");
    const name = document.createElement("span");
    name.textContent = picture.label;
    const value = document.createElement("output");
    value.textContent = picture.caption;
    caption.append(name, value);
    tile.append(frame, caption);
    parent.append(tile);
    tiles.push({ canvas, source, picture, value });
    listen(canvas);
  };
  const arrange = (parent, count) => {
    const across = Math.ceil(count / Math.ceil(count / 4));
    parent.style.gridTemplateColumns = `repeat(auto-fill, minmax(max(150px, calc((100% - ${14 * across}px) / ${across})), 1fr))`;
  };

  /* Everything is drawn from `view`; a change asks for one frame. */
  let asked = false, repaint = true;
  const draw = (windowChanged = false) => {
    repaint = repaint || windowChanged;
    if (asked) return;
    asked = true;
    requestAnimationFrame(() => {
      asked = false;
      if (repaint) for (const picture of pictures) paint(picture.canvas, grey(picture.values));
      repaint = false;
      const [left, right] = [pictures[$("left").value], pictures[$("right").value]];
      const split = view.flip ? (view.second ? 0 : 1) : view.split;
      copy($("stage"), right.canvas, split, 1);
      copy($("stage"), left.canvas, 0, split);
      $("divider").style.left = `${100 * view.split}%`;
      $("divider").hidden = view.flip;
      $("tag-left").textContent = left.label;
      $("tag-right").textContent = right.label;
      $("tag-left").hidden = split === 0;
      $("tag-right").hidden = split === 1;
      for (const tile of tiles) copy(tile.canvas, tile.source);
      $("low").value = view.low;
      $("high").value = view.high;
      $("low-value").textContent = `${format(view.low)} ${data.unit}`;
      $("high-value").textContent = `${format(view.high)} ${data.unit}`;
      $("zoom-level").textContent = `${view.zoom}×`;
      $("zoom-out").disabled = view.zoom <= 1;
      $("zoom-in").disabled = view.zoom >= 16;
    });
  };
  const setWindow = (low, high) => {
    const least = span / 500;
    view.low = Math.max(data.low, Math.min(low, data.high - least));
    view.high = Math.min(data.high, Math.max(high, view.low + least));
    draw(true);
  };

  /* The cursor: the value of every image under it. */
  const resting = $("readout").textContent;
  const point = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const [x, y, across, down] = part();
    const column = Math.floor(x + ((event.clientX - box.left) / box.width) * across);
    const row = Math.floor(y + ((event.clientY - box.top) / box.height) * down);
    if (column < 0 || row < 0 || column >= columns || row >= rows) return leave();
    const k = row * columns + column;
    const place = [(column + 0.5 - columns / 2) * (width / columns) + data.center[1],
                   (row + 0.5 - rows / 2) * (height / rows) + data.center[0]];
    const values = pictures.map((picture) => `${picture.label} ${format(picture.values[k])}`);
    $("readout").textContent = `x ${minus(place[0].toFixed(1))} mm, y ${minus(place[1].toFixed(1))} mm: ${values.join(" · ")} ${data.unit}`;
    for (const tile of tiles) {
      const own = tile.picture.values[k] - (tile.error ? truth.values[k] : 0);
      tile.value.textContent = format(own);
    }
  };
  const leave = () => {
    $("readout").textContent = resting;
    for (const tile of tiles) tile.value.textContent = tile.error ? "" : tile.picture.caption;
  };

  /* Dragging: the divider, the window (right button or Shift), or the image when zoomed in. */
  let drag = null;
  const start = (event) => {
    const box = event.currentTarget.getBoundingClientRect();
    const onStage = event.currentTarget.id === "stage" && !view.flip;
    const near = Math.abs(event.clientX - box.left - view.split * box.width) < 28;
    const kind = event.button === 2 || event.shiftKey ? "window" : onStage && (near || view.zoom === 1) ? "split" : "pan";
    drag = { kind, x: event.clientX, y: event.clientY, box, from: { ...view } };
    event.currentTarget.setPointerCapture(event.pointerId);
    if (kind === "split") move(event);
  };
  const move = (event) => {
    if (!drag) return point(event);
    const [across, down] = [(event.clientX - drag.x) / drag.box.width, (event.clientY - drag.y) / drag.box.height];
    if (drag.kind === "split") {
      view.split = Math.max(0, Math.min(1, (event.clientX - drag.box.left) / drag.box.width));
      $("split").value = 100 * view.split;
      draw();
    } else if (drag.kind === "window") {
      const [middle, half] = [(drag.from.low + drag.from.high) / 2, (drag.from.high - drag.from.low) / 2];
      const [level, reach] = [middle + down * span, Math.max(span / 500, half + across * span)];
      setWindow(level - reach, level + reach);
    } else {
      view.x = drag.from.x - across / view.zoom;
      view.y = drag.from.y - down / view.zoom;
      draw();
    }
  };
  const listen = (canvas) => {
    canvas.addEventListener("pointerdown", start);
    canvas.addEventListener("pointermove", move);
    canvas.addEventListener("pointerleave", leave);
    for (const end of ["pointerup", "pointercancel"]) canvas.addEventListener(end, () => { drag = null; });
    canvas.addEventListener("contextmenu", (event) => event.preventDefault());
  };

  /* Error maps: blue below, red above, the colour of the card in the middle. */
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const ends = () => dark.matches
    ? { low: [108, 168, 255], middle: [22, 27, 34], high: [255, 122, 92] }
    : { low: [30, 92, 178], middle: [255, 255, 255], high: [196, 43, 28] };
  const errorMaps = [];
  const paintErrors = () => {
    const { low, middle, high } = ends();
    for (const map of errorMaps) {
      paint(map.canvas, (k) => {
        const error = Math.max(-1, Math.min(1, (map.picture.values[k] - truth.values[k]) / data.error_limit));
        const [end, weight] = [error < 0 ? low : high, Math.abs(error)];
        const channel = (index) => Math.round(middle[index] + (end[index] - middle[index]) * weight);
        return 0xff000000 | (channel(2) << 16) | (channel(1) << 8) | channel(0);
      });
    }
    const css = (color) => `rgb(${color.join(" ")})`;
    document.documentElement.style.setProperty("--ramp", `linear-gradient(90deg, ${css(low)}, ${css(middle)}, ${css(high)})`);
  };
  const showErrors = () => {
    if (!truth || !$("error-viewer")) return;
    $("error-viewer").hidden = false;
    $("still-errors").hidden = true;
    const judged = pictures.filter((picture) => picture !== truth);
    for (const picture of judged) {
      const canvas = document.createElement("canvas");
      [canvas.width, canvas.height] = [columns, rows];
      errorMaps.push({ picture, canvas });
      addTile($("error-tiles"), { ...picture, caption: "" }, canvas);
      tiles[tiles.length - 1].error = true;
    }
    arrange($("error-tiles"), judged.length);
    $("ramp-low").textContent = `\u2212${format(data.error_limit)} ${data.unit}`;
    $("ramp-high").textContent = `+${format(data.error_limit)} ${data.unit}`;
    paintErrors();
    dark.addEventListener("change", () => { paintErrors(); draw(); });
  };

  /* Put it together. */
  $("viewer").hidden = false;
  $("still-images").hidden = true;
  const stage = $("stage").parentElement;
  stage.style.aspectRatio = `${width} / ${height}`;
  stage.style.maxWidth = `calc(min(680px, 82vh) * ${width / height})`;
  $("split").style.maxWidth = stage.style.maxWidth;
  for (const id of ["left", "right"]) {
    pictures.forEach((picture, index) => $(id).add(new Option(picture.label, index)));
    $(id).addEventListener("change", () => draw());
  }
  $("left").value = data.left;
  $("right").value = data.right;
  for (const id of ["low", "high"]) {
    Object.assign($(id), { min: data.low, max: data.high, step: span / 1000 });
    $(id).addEventListener("input", () => {
      const value = Number($(id).value);
      if (id === "low") setWindow(value, Math.max(view.high, value)); else setWindow(Math.min(view.low, value - span / 500), value);
    });
  }
  $("split").addEventListener("input", () => { view.split = $("split").value / 100; draw(); });
  $("reset").addEventListener("click", () => {
    Object.assign(view, { zoom: 1, x: 0.5, y: 0.5 });
    setWindow(data.window.low, data.window.high);
  });
  $("zoom-in").addEventListener("click", () => { view.zoom = Math.min(16, view.zoom * 2); draw(); });
  $("zoom-out").addEventListener("click", () => { view.zoom = Math.max(1, view.zoom / 2); draw(); });
  for (const radio of document.getElementsByName("mode")) {
    radio.addEventListener("change", () => {
      view.flip = radio.value === "flip" && radio.checked;
      $("split").hidden = view.flip;
      $("flip").hidden = !view.flip;
      draw();
    });
  }
  $("flip").addEventListener("click", () => { view.second = !view.second; draw(); });
  listen($("stage"));
  for (const picture of pictures) addTile($("tiles"), picture, picture.canvas);
  arrange($("tiles"), pictures.length);
  showErrors();
  new ResizeObserver(() => draw()).observe($("viewer"));
  draw(true);
})();
