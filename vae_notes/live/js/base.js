// What all live figures share: elements, controls, plots, handles, and how a figure is put into its place.
//
// A figure is one call: vaeNotesLive.define("name", { numbers, draw }). `numbers` holds pure functions, which
// the tests call and compare with Python; `draw(figure)` builds the figure once and says how to redraw it.
// No figure keeps anything outside its own element, so that several on a page leave each other alone.
(() => {
  "use strict";
  if (window.vaeNotesLive) {
    return; // every figure brings the base along, and the page needs it once
  }
  const SVG = "http://www.w3.org/2000/svg";
  const MOST_FRACTION_DIGITS = 12;
  const QUIET_MS = 500; // what changes is read aloud once it has been still for so long

  // ---------------------------------------------------------------- numbers

  const linspace = (start, end, count) =>
    Array.from({ length: count }, (_, i) => start + ((end - start) * i) / (count - 1));

  const clamp = (value, low, high) => Math.min(high, Math.max(low, value));

  /** The nearest multiple of a step from `low`, between `low` and `high`, without binary dust. */
  const snap = (value, low, high, step) => {
    const steps = Math.round((clamp(value, low, high) - low) / step);
    return Number(clamp(low + steps * step, low, high).toFixed(MOST_FRACTION_DIGITS));
  };

  /** log N(z; mean, std^2), in nats. */
  const logNormal = (z, mean, std) =>
    -0.5 * Math.log(2 * Math.PI) - Math.log(std) - 0.5 * ((z - mean) / std) ** 2;

  /** The smallest of 1, 2, 5, 10, 20, ... (and 0.5, 0.2, ...) that is not below a positive value. */
  const niceAbove = (value) => {
    const power = 10 ** Math.floor(Math.log10(value));
    return Number(([1, 2, 5, 10].find((one) => one * power >= value * (1 - 1e-9)) * power).toPrecision(3));
  };

  /** About `count` round places between two ends. */
  const ticks = (low, high, count) => {
    const step = niceAbove((high - low) / count);
    const first = Math.ceil(low / step - 1e-9);
    const last = Math.floor(high / step + 1e-9);
    return Array.from({ length: last - first + 1 }, (_, i) => Number(((first + i) * step).toPrecision(10)));
  };

  /** A number as the figures show it: fixed digits, a true minus sign, no minus zero. */
  const format = (value, digits = 2) => {
    if (!Number.isFinite(value)) {
      return Number.isNaN(value) ? "undefined" : value > 0 ? "∞" : "−∞";
    }
    const text = value.toFixed(digits);
    return Number(text) === 0 ? text.replace("-", "") : text.replace("-", "−");
  };

  // ---------------------------------------------------------------- elements

  const fill = (element, attributes, children) => {
    for (const [name, value] of Object.entries(attributes ?? {})) {
      element.setAttribute(name, value);
    }
    element.append(...children);
    return element;
  };
  const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
  const svg = (tag, attributes, ...children) => fill(document.createElementNS(SVG, tag), attributes, children);

  let made = 0;
  /** An id that no other element of the page has; the same at every visit. */
  const newId = () => `vae-live-${++made}`;

  // ---------------------------------------------------------------- plots

  const MARGIN = { left: 46, right: 18, top: 10, bottom: 38 };

  /** A plot with axes that keeps its letters at their size: what is stretched is the room between them. */
  class Plot {
    constructor(figure, parent, { label, x, y, xLabel, yLabel, ratio = 0.6, margin = {}, yTicks = 4, xTicks = 6, xFormat, yFormat }) {
      Object.assign(this, { figure, x, y, xLabel, yLabel, yTicks, xTicks, xFormat, yFormat, margin: { ...MARGIN, ...margin } });
      this.svg = svg("svg", { role: "group", "aria-label": label });
      this.grid = svg("g", { class: "vl-axes", "aria-hidden": "true" });
      const clip = newId();
      this.frame = svg("rect");
      this.marks = svg("g", { "aria-hidden": "true", "clip-path": `url(#${clip})` });
      this.handles = svg("g");
      this.svg.append(svg("clipPath", { id: clip }, this.frame), this.grid, this.marks, this.handles);
      this.box = html("div", { class: "vl-plot" }, this.svg);
      this.box.style.aspectRatio = `1 / ${ratio}`; // its height is known before anything is drawn: nothing jumps
      parent.append(this.box);
      this.measure();
      new ResizeObserver(() => this.measure() && figure.request()).observe(this.box);
    }

    /** Take the size of the box; true if it has changed. */
    measure() {
      const [width, height] = [this.box.clientWidth || 480, this.box.clientHeight || 288];
      if (width === this.width && height === this.height) {
        return false;
      }
      Object.assign(this, { width, height });
      this.svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
      this.drawAxes();
      return true;
    }

    get inner() {
      const { left, right, top, bottom } = this.margin;
      return { left, top, right: this.width - right, bottom: this.height - bottom };
    }

    /** From numbers to places on the screen, and back. */
    px(value) {
      const { left, right } = this.inner;
      return left + ((value - this.x[0]) / (this.x[1] - this.x[0])) * (right - left);
    }
    py(value) {
      const { top, bottom } = this.inner;
      return bottom - ((value - this.y[0]) / (this.y[1] - this.y[0])) * (bottom - top);
    }
    unpx(place) {
      const { left, right } = this.inner;
      return this.x[0] + ((place - left) / (right - left)) * (this.x[1] - this.x[0]);
    }
    unpy(place) {
      const { top, bottom } = this.inner;
      return this.y[0] + ((bottom - place) / (bottom - top)) * (this.y[1] - this.y[0]);
    }

    /** New ends of the axes; draws them only if they are new. */
    setRange({ x = this.x, y = this.y }) {
      if (String([x, y]) !== String([this.x, this.y])) {
        Object.assign(this, { x, y });
        this.drawAxes();
      }
    }

    drawAxes() {
      const { left, right, top, bottom } = this.inner;
      const size = { x: left - 6, y: top - 6, width: right - left + 12, height: bottom - top + 6 };
      fill(this.frame, size, []);
      const parts = [];
      for (const tick of ticks(...this.x, Math.min(this.xTicks, (right - left) / 50))) {
        const at = this.px(tick);
        parts.push(svg("line", { x1: at, x2: at, y1: top, y2: bottom, class: tick === 0 ? "vl-zero" : "vl-grid" }));
        const text = this.xFormat ? this.xFormat(tick) : format(tick, decimals(this.x));
        parts.push(svg("text", { x: at, y: bottom + 15, "text-anchor": "middle" }, text));
      }
      for (const tick of ticks(...this.y, this.yTicks)) {
        const at = this.py(tick);
        parts.push(svg("line", { x1: left, x2: right, y1: at, y2: at, class: tick === 0 ? "vl-zero" : "vl-grid" }));
        const text = this.yFormat ? this.yFormat(tick) : format(tick, decimals(this.y));
        parts.push(svg("text", { x: left - 6, y: at + 4, "text-anchor": "end" }, text));
      }
      if (this.xLabel) {
        const place = { x: (left + right) / 2, y: this.height - 6, "text-anchor": "middle", class: "vl-label" };
        parts.push(svg("text", place, this.xLabel));
      }
      if (this.yLabel) {
        const turn = `translate(12 ${(top + bottom) / 2}) rotate(-90)`;
        parts.push(svg("text", { transform: turn, "text-anchor": "middle", class: "vl-label" }, this.yLabel));
      }
      this.grid.replaceChildren(...parts);
    }

    /** The text of a path through points, cut off a little outside of the plot. */
    path(xs, ys) {
      const [low, high] = [-20, this.height + 20];
      let text = "";
      for (let i = 0; i < xs.length; i++) {
        const y = clamp(this.py(ys[i]), low, high);
        text += `${i ? "L" : "M"}${this.px(xs[i]).toFixed(1)} ${y.toFixed(1)}`;
      }
      return text;
    }

    /** Something drawn inside the axes: mark("path", "vl-curve vl-blue") and so on. */
    mark(tag, classes, attributes = {}) {
      const element = svg(tag, { class: classes, ...attributes });
      this.marks.append(element);
      return element;
    }

    curve(classes) {
      const element = this.mark("path", `vl-curve ${classes}`);
      return { element, set: (xs, ys) => element.setAttribute("d", this.path(xs, ys)) };
    }

    /** The area between a curve and zero; `hatched` areas are told from plain ones without colour. */
    area(classes, { hatched = false } = {}) {
      const element = this.mark("path", `vl-area ${classes}`);
      if (hatched) {
        const id = newId();
        const line = svg("path", { d: "M-2 2L2 -2M0 8L8 0M6 10L10 6", class: "vl-hatch" });
        const size = { width: 8, height: 8, patternUnits: "userSpaceOnUse" };
        this.marks.append(svg("pattern", { id, class: classes, ...size }, line));
        element.classList.add("vl-hatched");
        element.setAttribute("fill", `url(#${id})`);
      }
      const set = (xs, ys) => {
        const base = this.py(0).toFixed(1);
        const [first, last] = [xs[0], xs[xs.length - 1]].map((x) => this.px(x).toFixed(1));
        element.setAttribute("d", `${this.path(xs, ys)}L${last} ${base}L${first} ${base}Z`);
      };
      return { element, set };
    }

    line(classes) {
      const element = this.mark("line", `vl-curve ${classes}`);
      const set = (x1, y1, x2, y2) => {
        const places = { x1: this.px(x1), y1: this.py(y1), x2: this.px(x2), y2: this.py(y2) };
        Object.entries(places).forEach(([name, value]) => element.setAttribute(name, value.toFixed(1)));
      };
      return { element, set };
    }

    text(classes, anchor = "middle") {
      const element = this.mark("text", `vl-note ${classes}`, { "text-anchor": anchor });
      const set = (x, y, words) => {
        element.setAttribute("x", this.px(x).toFixed(1));
        element.setAttribute("y", this.py(y).toFixed(1));
        element.textContent = words;
      };
      return { element, set };
    }

    /**
     * Something to drag, by mouse, finger or arrow keys.
     *   label  what a screen reader calls it
     *   at()   where it is, in the plot's numbers: [x, y]
     *   move(x, y)  what dragging does
     *   step   what one arrow key moves: [dx, dy]; zero where it does not move
     *   press(dx, dy)  what an arrow key does, where it is not a move by `step`
     *   value()  {now, min, max, text}: what a screen reader says of it
     */
    handle({ label, classes = "", shape = "circle", at, move, step, press, value }) {
      const body = shape === "circle" ? svg("circle", { r: 8 }) : svg("rect", { x: -7, y: -7, width: 14, height: 14 });
      body.setAttribute("class", "vl-grip");
      const orientation = step[0] === 0 ? "vertical" : "horizontal";
      const element = svg(
        "g",
        { class: `vl-handle ${classes}`, role: "slider", tabindex: 0, "aria-label": label, "aria-orientation": orientation },
        svg("circle", { r: 22, class: "vl-reach" }), // a finger needs 44 pixels
        svg("circle", { r: 13, class: "vl-ring" }),
        body,
      );
      this.handles.append(element);
      let grabbed = null;
      const place = (event) => {
        const box = this.svg.getBoundingClientRect();
        const scale = this.width / box.width;
        return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
      };
      element.addEventListener("pointerdown", (event) => {
        const [x, y] = place(event);
        const [hx, hy] = at();
        grabbed = [this.px(hx) - x, this.py(hy) - y]; // it does not leap under the pointer
        element.setPointerCapture(event.pointerId);
        element.focus({ preventScroll: true });
        event.preventDefault();
      });
      element.addEventListener("pointermove", (event) => {
        if (grabbed) {
          const [x, y] = place(event);
          move(this.unpx(x + grabbed[0]), this.unpy(y + grabbed[1]));
        }
      });
      // Else the finger would move the page: touch-action in the style is not heeded inside of an SVG.
      element.addEventListener("touchstart", (event) => event.preventDefault(), { passive: false });
      for (const end of ["pointerup", "pointercancel"]) {
        element.addEventListener(end, () => (grabbed = null));
      }
      element.addEventListener("keydown", (event) => {
        const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowDown: [0, -1], ArrowUp: [0, 1] }[event.key];
        if (!way) {
          return;
        }
        // A handle that moves along one axis takes both pairs of arrows.
        const along = step[0] === 0 ? [0, way[0] + way[1]] : step[1] === 0 ? [way[0] + way[1], 0] : way;
        const times = event.shiftKey ? 10 : 1;
        const [x, y] = at();
        const by = [along[0] * step[0] * times, along[1] * step[1] * times];
        press ? press(...by) : move(x + by[0], y + by[1]);
        event.preventDefault();
      });
      this.figure.drawers.push(() => {
        const [x, y] = at();
        element.setAttribute("transform", `translate(${this.px(x).toFixed(1)} ${this.py(y).toFixed(1)})`);
        const { now, min, max, text } = value();
        element.setAttribute("aria-valuemin", min);
        element.setAttribute("aria-valuemax", max);
        element.setAttribute("aria-valuenow", now);
        element.setAttribute("aria-valuetext", text);
      });
      return element;
    }
  }

  /** Digits after the point that the ticks of an axis need. */
  const decimals = ([low, high]) => clamp(Math.ceil(-Math.log10((high - low) / 6) - 1e-9), 0, 3);

  // ---------------------------------------------------------------- a figure

  /** One figure on the page: its state, its controls, and when it is drawn. */
  class Figure {
    constructor(root, name) {
      this.root = root;
      this.name = name;
      this.data = JSON.parse(root.querySelector("script.vl-data").textContent);
      this.initial = { ...this.data.state };
      this.state = { ...this.initial };
      this.drawers = []; // what is called to draw, in order
      this.frame = 0;
      this.body = html("div", { class: "vl-body" });
      root.append(this.body);
      for (const touch of ["pointerdown", "keydown"]) {
        this.body.addEventListener(touch, () => this.stop(), { capture: true }); // the reader's hand goes first
      }
      // Else JupyterLab takes the arrow keys to go to the next cell: it asks the very element that has the focus.
      this.body.addEventListener("focusin", (event) => (event.target.dataset.lmSuppressShortcuts = ""));
    }

    /** Heading and a line on what to do; they also name the figure for a screen reader. */
    title(words, hint) {
      const [head, line] = [newId(), newId()];
      this.body.append(html("p", { class: "vl-title", id: head }, words), html("p", { class: "vl-hint", id: line }, hint));
      this.root.setAttribute("role", "group");
      this.root.setAttribute("aria-labelledby", head);
      this.root.setAttribute("aria-describedby", line);
    }

    /** Boxes side by side where there is room: row("vl-wide-left", 2). */
    row(classes, count) {
      const boxes = Array.from({ length: count }, () => html("div"));
      this.body.append(html("div", { class: `vl-row ${classes}` }, ...boxes));
      return boxes;
    }

    plot(parent, options) {
      return new Plot(this, parent, options);
    }

    /** Change the state and draw it with the next frame. */
    set(changes) {
      Object.assign(this.state, changes);
      this.request();
    }

    request() {
      this.frame ||= requestAnimationFrame(() => this.draw());
    }

    draw() {
      cancelAnimationFrame(this.frame);
      this.frame = 0;
      this.drawers.forEach((drawer) => drawer(this.state));
    }

    onDraw(drawer) {
      this.drawers.push(drawer);
    }

    /** A slider for one number of the state, with its name and its value. */
    slider(parent, { key, label, min, max, step, digits = 2, unit = "", text, classes = "" }) {
      const id = newId();
      const shown = text ?? ((value) => format(value, digits) + (unit && ` ${unit}`));
      const input = html("input", { type: "range", id, min, max, step });
      const output = html("output", { for: id, "aria-hidden": "true" });
      parent.append(html("div", { class: `vl-slider ${classes}` }, html("label", { for: id }, label), input, output));
      input.addEventListener("input", () => this.set({ [key]: Number(input.value) }));
      this.onDraw((state) => {
        input.value = state[key];
        output.textContent = shown(state[key]);
        input.setAttribute("aria-valuetext", shown(state[key]));
      });
      return input;
    }

    /** One of a few: choices is {value: words}. */
    choice(parent, { key, label, choices }) {
      const name = newId();
      const set = html("fieldset", { class: "vl-choice" }, html("legend", {}, label));
      for (const [value, words] of Object.entries(choices)) {
        const input = html("input", { type: "radio", name, value });
        input.addEventListener("change", () => this.set({ [key]: value }));
        this.onDraw((state) => (input.checked = state[key] === value));
        set.append(html("label", {}, input, html("span", {}, words)));
      }
      parent.append(set);
      return set;
    }

    button(parent, words, action) {
      const button = html("button", { type: "button" }, words);
      button.addEventListener("click", action);
      parent.append(button);
      return button;
    }

    /** What the curves are: [[classes, words], ...], with the line as it is drawn. */
    legend(parent, entries) {
      const list = html("ul", { class: "vl-legend" });
      for (const [classes, words, kind = "curve"] of entries) {
        const line = svg("path", { d: "M1 7H27", class: `vl-curve ${classes}` });
        const area = svg("rect", { x: 1, y: 1, width: 26, height: 12, class: `vl-area ${classes}` });
        const hatch = svg("path", { d: "M1 13L13 1M8 13L20 1M15 13L27 1", class: `vl-hatch ${classes}` });
        const sample = svg("svg", { viewBox: "0 0 28 14", width: 28, height: 14, "aria-hidden": "true" });
        sample.append({ curve: line, area, hatch }[kind]);
        list.append(html("li", {}, sample, html("span", {}, words)));
      }
      parent.append(list);
      return list;
    }

    /** Names and values, one below the other: rows is {key: [name, words]}; gives a function that sets the values. */
    values(parent, rows, caption) {
      const cells = {};
      const body = html("tbody");
      for (const [key, [name, words, classes = ""]] of Object.entries(rows)) {
        cells[key] = html("td");
        const head = html("th", { scope: "row" }, html("b", {}, name), html("small", {}, words));
        body.append(html("tr", { class: classes }, head, cells[key]));
      }
      parent.append(html("table", { class: "vl-terms vl-values" }, html("caption", {}, caption), body));
      return (values) => Object.entries(values).forEach(([key, value]) => (cells[key].textContent = value));
    }

    /** The row of buttons at the foot, with the one that puts everything back. */
    foot() {
      const row = html("div", { class: "vl-foot" });
      this.body.append(row);
      this.button(row, "Reset", () => this.set(this.initial));
      return row;
    }

    /** A sentence with the result: seen at once, read aloud when the reader pauses. */
    says(sentence) {
      const seen = html("p", { class: "vl-says", "aria-hidden": "true" });
      const heard = html("p", { class: "vl-heard", role: "status", "aria-live": "polite" });
      this.body.append(seen, heard);
      let [waiting, first] = [0, true];
      this.onDraw((state) => {
        const words = sentence(state);
        if (seen.textContent === words) {
          return;
        }
        seen.textContent = words;
        if (first) {
          heard.textContent = words;
          first = false;
          return;
        }
        clearTimeout(waiting);
        waiting = setTimeout(() => (heard.textContent = words), QUIET_MS);
      });
    }

    /** True where the reader has asked for less motion. */
    get calm() {
      return matchMedia("(prefers-reduced-motion: reduce)").matches;
    }

    /**
     * Call step(0..1) for so many milliseconds; where less motion is asked for, once with 1.
     * It stops at the reader's next touch, or when another one starts.
     */
    animate(milliseconds, step, done = () => {}) {
      this.stop();
      let start = null;
      const tick = (now) => {
        start ??= now;
        const share = this.calm ? 1 : Math.min(1, (now - start) / milliseconds);
        this.moving = share < 1 ? requestAnimationFrame(tick) : 0;
        step(share);
        if (share === 1) {
          done();
        }
      };
      this.moving = requestAnimationFrame(tick);
    }

    stop() {
      cancelAnimationFrame(this.moving);
      this.moving = 0;
    }
  }

  // ---------------------------------------------------------------- the page

  const figures = {};

  /** The style, once a page. A sheet made by script, since a site's policy may forbid style elements. */
  let sheet = null;
  const dress = (root) => {
    const text = root.querySelector("script.vl-style").textContent;
    if (!sheet) {
      sheet = new CSSStyleSheet();
      sheet.replaceSync(text);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    }
  };

  /** Put every figure of this name, which is not in its place yet, into it. */
  const mount = (name) => {
    for (const root of document.querySelectorAll(`.vae-live[data-figure="${name}"]:not([data-mounted])`)) {
      root.dataset.mounted = "";
      dress(root);
      const figure = new Figure(root, name);
      root.vaeLive = figure;
      figures[name].draw(figure);
      figure.draw();
    }
  };

  window.vaeNotesLive = {
    figures,
    define: (name, parts) => (figures[name] = parts),
    mount,
    html,
    svg,
    newId,
    linspace,
    clamp,
    snap,
    logNormal,
    niceAbove,
    ticks,
    format,
  };
})();
