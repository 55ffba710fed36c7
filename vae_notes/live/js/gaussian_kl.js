// Two Gaussians, and the KL divergence between them in both directions, term by term.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const MEAN = { min: -3, max: 3, step: 0.05 };
  const SCALE = { min: 0.3, max: 2.5, step: 0.05 };
  const GRID = live.linspace(-5.5, 5.5, 331);

  // ---------------------------------------------------------------- numbers

  /** The four terms of KL(q || p) in nats, and their sum; q and p are {loc, scale}. */
  const terms = (q, p) => {
    const logRatio = 2 * (Math.log(q.scale) - Math.log(p.scale));
    const squared = ((q.loc - p.loc) / p.scale) ** 2;
    const kl = 0.5 * (Math.expm1(logRatio) - logRatio + squared); // the constant and the ratio cancel near q = p
    return { means: 0.5 * squared, spread: 0.5 * Math.exp(logRatio), log: -0.5 * logRatio, constant: -0.5, kl };
  };

  /** q(z) log(q(z) / p(z)): what is integrated. */
  const integrand = (z, q, p) => {
    const logQ = live.logNormal(z, q.loc, q.scale);
    return Math.exp(logQ) * (logQ - live.logNormal(z, p.loc, p.scale));
  };

  const pair = (state) => [
    { loc: state.loc_q, scale: state.scale_q },
    { loc: state.loc_p, scale: state.scale_p },
  ];

  const sentence = (state) => {
    const [q, p] = pair(state);
    const [there, back] = [terms(q, p).kl, terms(p, q).kl].map((kl) => live.format(kl, 4));
    return `KL(q‖p) = ${there} nats, KL(p‖q) = ${back} nats.`;
  };

  // ---------------------------------------------------------------- drawing

  const NAMES = {
    means: ["½ δ²", "means apart"],
    spread: ["½ r", "spread"],
    log: ["−½ log r", "logarithm"],
    constant: ["−½", "constant"],
    kl: ["sum", "the KL"],
  };

  /** A table of the terms with a bar in every cell, all on one scale. */
  const table = (figure, parent) => {
    const heads = ["term", "KL(q‖p)", "KL(p‖q)"].map((words) => live.html("th", { scope: "col" }, words));
    const body = live.html("tbody");
    const cells = Object.entries(NAMES).map(([key, [formula, words]]) => {
      const name = live.html("th", { scope: "row" }, live.html("b", {}, formula), live.html("small", {}, words));
      const row = ["there", "back"].map((way) => {
        const number = live.html("span");
        const bar = live.svg("rect", { y: 0, height: 8, class: "vl-bar" });
        const zero = live.svg("path", { d: "M30 -1V9", class: "vl-zero" });
        const box = { viewBox: "0 0 100 8", preserveAspectRatio: "none", "aria-hidden": "true" };
        return { key, way, number, bar, cell: live.html("td", {}, number, live.svg("svg", box, bar, zero)) };
      });
      body.append(live.html("tr", { class: key === "kl" ? "vl-sum" : "" }, name, ...row.map((one) => one.cell)));
      return row;
    });
    const note = live.html("p", { class: "vl-small" });
    const head = live.html("thead", {}, live.html("tr", {}, ...heads));
    parent.append(live.html("table", { class: "vl-terms" }, head, body), note);
    figure.onDraw((state) => {
      const [q, p] = pair(state);
      const values = { there: terms(q, p), back: terms(p, q) };
      const all = [...Object.values(values.there), ...Object.values(values.back)];
      const scale = live.niceAbove(Math.max(0.5, ...all.map((value) => Math.max(value / 0.7, -value / 0.3))));
      for (const { key, way, number, bar } of cells.flat()) {
        const value = values[way][key];
        number.textContent = live.format(value, 3);
        const width = (100 * Math.abs(value)) / scale;
        bar.setAttribute("x", value < 0 ? 30 - width : 30);
        bar.setAttribute("width", width);
        bar.setAttribute("class", `vl-bar ${value < 0 ? "vl-vermillion" : "vl-green"}`);
      }
      const [delta, r] = [(q.loc - p.loc) / p.scale, (q.scale / p.scale) ** 2];
      note.textContent =
        `For KL(q‖p): δ = (μq − μp)/σp = ${live.format(delta)}, r = σq²/σp² = ${live.format(r)}. ` +
        "The other way, p is the one that draws: swap q and p in both. All in nats.";
    });
  };

  /** The handles of one curve: its centre moves the mean, a point one sigma to the right moves the width. */
  const handles = (figure, plot, name, shape, classes) => {
    const [loc, scale] = [`loc_${name}`, `scale_${name}`];
    const density = (z) => Math.exp(live.logNormal(z, figure.state[loc], figure.state[scale]));
    const say = (value, words) => `${words} ${live.format(value)}`;
    plot.handle({
      label: `Mean of ${name}`,
      classes,
      shape,
      at: () => [figure.state[loc], density(figure.state[loc])],
      move: (z) => figure.set({ [loc]: live.snap(z, MEAN.min, MEAN.max, MEAN.step) }),
      step: [MEAN.step, 0],
      value: () => ({ now: figure.state[loc], ...MEAN, text: say(figure.state[loc], "mean") }),
    });
    plot.handle({
      label: `Standard deviation of ${name}`,
      classes,
      shape,
      at: () => [figure.state[loc] + figure.state[scale], density(figure.state[loc] + figure.state[scale])],
      move: (z) => figure.set({ [scale]: live.snap(z - figure.state[loc], SCALE.min, SCALE.max, SCALE.step) }),
      step: [SCALE.step, 0],
      value: () => ({ now: figure.state[scale], ...SCALE, text: say(figure.state[scale], "standard deviation") }),
    });
  };

  const draw = (figure) => {
    figure.title("Two Gaussians and their KL divergence", "Drag the marks on the curves: the one on top moves the mean, the one on the slope the width.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const densities = figure.plot(left, { label: "Densities of q and p", x: [-5.5, 5.5], y: [0, 1.4], yLabel: "density", ratio: 0.5, margin: { bottom: 20 } });
    const added = figure.plot(left, { label: "What is integrated", x: [-5.5, 5.5], y: [-1, 1], xLabel: "z", yLabel: "nats per unit z", ratio: 0.46 });
    const curves = { q: densities.curve("vl-blue"), p: densities.curve("vl-orange vl-dashed") };
    const widths = { q: densities.line("vl-blue vl-thin"), p: densities.line("vl-orange vl-thin") };
    const [plus, minus] = [added.area("vl-green"), added.area("vl-vermillion", { hatched: true })];
    const outline = added.curve("vl-ink vl-thin");
    handles(figure, densities, "q", "circle", "vl-blue");
    handles(figure, densities, "p", "square", "vl-orange");
    figure.legend(left, [["vl-blue", "q"], ["vl-orange vl-dashed", "p"], ["vl-green", "adds to the KL", "area"], ["vl-vermillion", "takes away", "hatch"]]);
    table(figure, right);
    figure.choice(right, { key: "direction", label: "Below the curves, show", choices: { qp: "q log(q/p)", pq: "p log(p/q)" } });
    const sliders = figure.row("vl-sliders", 2);
    for (const [i, name] of ["q", "p"].entries()) {
      figure.slider(sliders[i], { key: `loc_${name}`, label: `μ of ${name}`, ...MEAN });
      figure.slider(sliders[i], { key: `scale_${name}`, label: `σ of ${name}`, ...SCALE });
    }
    figure.says(sentence);
    figure.foot();
    figure.onDraw((state) => {
      const [q, p] = pair(state);
      for (const [name, one] of Object.entries({ q, p })) {
        const density = (z) => Math.exp(live.logNormal(z, one.loc, one.scale));
        curves[name].set(GRID, GRID.map(density));
        const level = density(one.loc + one.scale);
        widths[name].set(one.loc, level, one.loc + one.scale, level);
      }
      const [first, second] = state.direction === "qp" ? [q, p] : [p, q];
      const values = GRID.map((z) => integrand(z, first, second));
      const top = live.niceAbove(Math.max(1, ...values) * 1.02);
      added.setRange({ y: [-top / 2, top] });
      plus.set(GRID, values.map((value) => Math.max(0, value)));
      minus.set(GRID, values.map((value) => Math.min(0, value)));
      outline.set(GRID, values);
    });
  };

  live.define("gaussian_kl", { numbers: { terms, integrand, sentence }, draw });
})();
