// One far point among others: what it costs, and how hard it pulls, under a normal and under Student's t.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const DF = { min: 1, max: 30, step: 0.5 };
  const PLACE = { min: -4, max: 9, step: 0.1 };
  const X = [-4.6, 9.6];
  const GRID = live.linspace(...X, 285);
  const LOWEST = -36; // of the log densities in the picture
  const FLOOR = -33.5; // where the points lie in it
  const MOST_STEPS = 3000;
  const STILL = 1e-13;
  const LANCZOS = [
    0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
    12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
  ];

  // ---------------------------------------------------------------- numbers

  /** log Gamma(a) for a >= 1/2, by the approximation of Lanczos (g = 7). */
  const logGamma = (a) => {
    const sum = LANCZOS.slice(1).reduce((total, c, i) => total + c / (a + i), LANCZOS[0]);
    const t = a + 6.5;
    return 0.5 * Math.log(2 * Math.PI) + (a - 0.5) * Math.log(t) - t + Math.log(sum);
  };

  /** log t_df(x; loc, scale), in nats; df = Infinity is the normal. */
  const logDensity = (x, df, { loc, scale }) => {
    if (df === Infinity) {
      return live.logNormal(x, loc, scale);
    }
    const constant = logGamma((df + 1) / 2) - logGamma(df / 2) - 0.5 * Math.log(df * Math.PI) - Math.log(scale);
    return constant - 0.5 * (df + 1) * Math.log1p(((x - loc) / scale) ** 2 / df);
  };

  /** How much a point counts in the fit: 1 under the normal, less for a far point under the t. */
  const weight = (x, df, { loc, scale }) => (df === Infinity ? 1 : (df + 1) / (df + ((x - loc) / scale) ** 2));

  /** The slope of the log density in its centre: how hard a point pulls the fit. */
  const pull = (x, df, fit) => (weight(x, df, fit) * (x - fit.loc)) / fit.scale ** 2;

  /** Centre, and scale unless it is held at 1, by maximum likelihood: the EM algorithm from the median. */
  const fitted = (values, df, holdScale) => {
    const sorted = [...values].sort((a, b) => a - b);
    const half = sorted.length / 2;
    let fit = { loc: (sorted[Math.ceil(half) - 1] + sorted[Math.floor(half)]) / 2, scale: 1 };
    for (let i = 0; i < MOST_STEPS; i++) {
      let [sum, first, second] = [0, 0, 0];
      for (const x of values) {
        const w = weight(x, df, fit);
        sum += w;
        first += w * x;
      }
      const loc = first / sum;
      for (const x of values) {
        second += weight(x, df, fit) * (x - loc) ** 2;
      }
      const next = { loc, scale: holdScale ? 1 : Math.sqrt(second / values.length) };
      const moved = Math.abs(next.loc - fit.loc) + Math.abs(next.scale - fit.scale);
      fit = next;
      if (moved < STILL) {
        break;
      }
    }
    return fit;
  };

  /** All that is shown of one model: its fit, and what the outlier costs it. */
  const measured = (points, outlier, df, holdScale) => {
    const values = [...points, outlier];
    const fit = fitted(values, df, holdScale);
    const total = values.reduce((sum, x) => sum + logDensity(x, df, fit), 0);
    const of = { logDensity: logDensity(outlier, df, fit), weight: weight(outlier, df, fit), pull: pull(outlier, df, fit) };
    return { ...fit, ...of, total };
  };

  const both = (state, points) => ({
    normal: measured(points, state.outlier, Infinity, state.scale === "held"),
    student: measured(points, state.outlier, state.df, state.scale === "held"),
  });

  const sentence = (state, points) => {
    const { normal, student } = both(state, points);
    const digits = (key) => [normal, student].map((one) => live.format(one[key], 2));
    const [cost, centre] = [digits("logDensity"), digits("loc")];
    return `Log density at ${live.format(state.outlier, 1)}: normal ${cost[0]}, t ${cost[1]} nats; centres ${centre[0]} and ${centre[1]}.`;
  };

  // ---------------------------------------------------------------- drawing

  const ROWS = {
    logDensity: ["log density", "of the outlier, nats", 2],
    weight: ["its weight", "in the fit", 2],
    pull: ["its pull", "on the centre", 2],
    loc: ["fitted centre", "the triangle", 2],
    scale: ["scale", "σ, or s of the t", 2],
    total: ["all points", "log-likelihood, nats", 1],
  };

  /** A table with one column for each model; gives a function that fills it. */
  const table = (parent) => {
    const heads = ["", "normal", "t"].map((words) => (words ? live.html("th", { scope: "col" }, words) : live.html("td")));
    const body = live.html("tbody");
    const cells = Object.entries(ROWS).map(([key, [name, words, digits]]) => {
      const head = live.html("th", { scope: "row" }, live.html("b", {}, name), live.html("small", {}, words));
      const row = ["normal", "student"].map((model) => ({ key, model, digits, cell: live.html("td") }));
      body.append(live.html("tr", {}, head, ...row.map((one) => one.cell)));
      return row;
    });
    parent.append(live.html("table", { class: "vl-terms vl-pairs" }, live.html("thead", {}, live.html("tr", {}, ...heads)), body));
    return (values) => cells.flat().forEach(({ key, model, digits, cell }) => (cell.textContent = live.format(values[model][key], digits)));
  };

  const draw = (figure) => {
    const { points } = figure.data;
    figure.title("One far point: the normal follows it, the t lets it be", "Drag the square to the right. Then move ν, and let the widths be fitted too.");
    const [left, right] = figure.row("vl-wide-left", 2);
    const logs = figure.plot(left, {
      label: "Log densities of the two fitted models", x: X, y: [LOWEST, 1], yLabel: "log density, nats", ratio: 0.5, xTicks: 8, margin: { bottom: 22 },
    });
    const pulls = figure.plot(left, { label: "The pull on the fitted centre", x: X, y: [-4, 9], xLabel: "x", yLabel: "pull", ratio: 0.4, xTicks: 8, yTicks: 3 });
    const kinds = { normal: "vl-blue", student: "vl-orange vl-dashed" };
    const here = [logs, pulls].map((plot) => plot.line("vl-middle vl-thin"));
    const ticks = points.map(() => logs.line("vl-ink vl-thin"));
    const parts = Object.entries(kinds).map(([model, classes]) => {
      const colour = classes.split(" ")[0];
      return {
        model,
        log: logs.curve(classes),
        pull: pulls.curve(classes),
        centre: logs.mark("path", `vl-dot ${colour}`, { d: "M0 0l-6 11h12z" }),
        dots: [logs, pulls].map((plot) => plot.mark("circle", `vl-dot ${colour}`, { r: 5 })),
      };
    });
    const away = logs.text("vl-blue", "end");
    logs.handle({
      label: "The outlier", shape: "square", classes: "vl-vermillion", step: [PLACE.step, 0],
      at: () => [figure.state.outlier, FLOOR],
      move: (x) => figure.set({ outlier: live.snap(x, PLACE.min, PLACE.max, PLACE.step) }),
      value: () => ({ now: figure.state.outlier, min: PLACE.min, max: PLACE.max, text: `at ${live.format(figure.state.outlier, 1)}` }),
    });
    figure.legend(left, [[kinds.normal, "normal"], [kinds.student, "Student t"], ["vl-vermillion vl-thick", "the outlier"]]);
    const show = table(right);
    figure.choice(right, { key: "scale", label: "Widths", choices: { held: "both held at 1", fitted: "fitted too" } });
    const sliders = figure.row("vl-sliders", 2);
    figure.slider(sliders[0], { key: "outlier", label: "outlier x", ...PLACE, digits: 1 });
    figure.slider(sliders[1], { key: "df", label: "ν of the t", ...DF, digits: 1 });
    figure.says((state) => sentence(state, points));
    figure.button(figure.foot(), "Drag it away", () => {
      const way = [1, PLACE.max];
      figure.animate(3000, (share) => figure.set({ outlier: live.snap(way[0] + share * (way[1] - way[0]), PLACE.min, PLACE.max, PLACE.step) }));
    });
    figure.onDraw((state) => {
      const values = both(state, points);
      show(values);
      points.forEach((x, i) => ticks[i].set(x, FLOOR - 1, x, FLOOR + 1));
      here[0].set(state.outlier, LOWEST, state.outlier, 1);
      here[1].set(state.outlier, pulls.y[0], state.outlier, pulls.y[1]);
      for (const { model, log, pull: force, centre, dots } of parts) {
        const df = model === "normal" ? Infinity : state.df;
        const fit = values[model];
        log.set(GRID, GRID.map((x) => logDensity(x, df, fit)));
        force.set(GRID, GRID.map((x) => pull(x, df, fit)));
        centre.setAttribute("transform", `translate(${logs.px(fit.loc).toFixed(1)} ${(logs.py(FLOOR) - 26).toFixed(1)})`);
        for (const [i, value] of [fit.logDensity, fit.pull].entries()) {
          const plot = [logs, pulls][i];
          dots[i].setAttribute("cx", plot.px(state.outlier).toFixed(1));
          dots[i].setAttribute("cy", plot.py(live.clamp(value, ...plot.y)).toFixed(1));
        }
      }
      const out = values.normal.logDensity < LOWEST;
      away.set(state.outlier - 0.25, LOWEST + 6, out ? `the normal: ${live.format(values.normal.logDensity, 0)}` : "");
    });
  };

  const numbers = { logGamma, logDensity, weight, pull, fitted, measured, sentence };
  live.define("heavy_tails", { numbers, draw });
})();
