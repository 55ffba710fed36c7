// Noise that is held while mean and width move, and the two gradient estimators that use it.
(() => {
  "use strict";
  const live = window.vaeNotesLive;
  const MEAN = { min: -2, max: 2, step: 0.05 };
  const SCALE = { min: 0.2, max: 1.5, step: 0.05 };
  const SHOWN = live.linspace(-5, 5, 201);
  const NOISE_LEVEL = -0.75; // where the noise lies in the picture

  // ---------------------------------------------------------------- numbers

  /** The gradient of E[z^2] that one draw of the noise gives, by either estimator, for the mean or the width. */
  const one = (estimator, parameter, noise, loc, scale) => {
    const z = loc + scale * noise;
    if (estimator === "path") {
      return 2 * z * (parameter === "loc" ? 1 : noise);
    }
    return (z * z * (parameter === "loc" ? noise : noise * noise - 1)) / scale;
  };

  /** Means of the first 1, 2, 3, ... values. */
  const runningMeans = (values) => {
    let total = 0;
    return values.map((value, i) => (total += value) / (i + 1));
  };

  /** Mean of values and its standard error; of a single value there is none. */
  const meanAndError = (values) => {
    const mean = values.reduce((total, value) => total + value, 0) / values.length;
    const squares = values.reduce((total, value) => total + (value - mean) ** 2, 0);
    return [mean, Math.sqrt(squares / (values.length - 1) / values.length)];
  };

  const exact = (state) => 2 * state[state.parameter];

  const estimates = (estimator, state, noise) =>
    noise.map((value) => one(estimator, state.parameter, value, state.loc, state.scale));

  const sentence = (state, noise) => {
    const part = noise.slice(0, state.draws);
    const [path, score] = ["path", "score"].map((name) => live.format(meanAndError(estimates(name, state, part))[0], 3));
    const letter = state.parameter === "loc" ? "μ" : "σ";
    return `d/d${letter} after ${state.draws} draws: pathwise ${path}, score function ${score}, exact ${live.format(exact(state), 3)}.`;
  };

  // ---------------------------------------------------------------- drawing

  const draw = (figure) => {
    const { noise, dots } = figure.data;
    const counts = [...new Set(live.linspace(0, Math.log(noise.length), 160).map((power) => Math.round(Math.exp(power))))];
    figure.title("The noise is held, the mean and the width move", "Drag the circles and follow one draw. Then let the draws accumulate.");
    const [left, right] = figure.row("vl-half", 2);
    const paths = figure.plot(left, {
      label: "Noise, and what the mean and the width make of it",
      x: [-5, 5], y: [-1, 2.1], xLabel: "ε below, z = μ + σε above", yLabel: "density of z", ratio: 0.72,
      yFormat: (tick) => (tick < 0 ? "" : live.format(tick, 1)),
    });
    const means = figure.plot(right, {
      label: "Running means of both estimators", x: [0, Math.log10(noise.length)], y: [-2, 6],
      xLabel: "draws", yLabel: "mean of the estimates", ratio: 0.72, xTicks: 3, xFormat: (tick) => (Number.isInteger(tick) ? String(10 ** tick) : ""),
    });
    const q = paths.curve("vl-blue");
    const threads = noise.slice(0, dots).map(() => paths.line("vl-middle vl-thin"));
    const below = threads.map(() => paths.mark("circle", "vl-dot vl-ink", { r: 3.5 }));
    const above = threads.map(() => paths.mark("circle", "vl-dot vl-blue", { r: 4 }));
    const names = [paths.text("", "start"), paths.text("", "start")];
    const truth = means.line("vl-ink vl-dotted");
    const curves = { score: means.curve("vl-orange vl-dashed"), path: means.curve("vl-blue") };
    const now = means.line("vl-middle vl-thin");
    const density = (z) => Math.exp(live.logNormal(z, figure.state.loc, figure.state.scale));
    paths.handle({
      label: "Mean", classes: "vl-blue", step: [MEAN.step, 0],
      at: () => [figure.state.loc, density(figure.state.loc)],
      move: (z) => figure.set({ loc: live.snap(z, MEAN.min, MEAN.max, MEAN.step) }),
      value: () => ({ now: figure.state.loc, ...MEAN, text: `mean ${live.format(figure.state.loc)}` }),
    });
    paths.handle({
      label: "Standard deviation", classes: "vl-blue", step: [SCALE.step, 0],
      at: () => [figure.state.loc + figure.state.scale, density(figure.state.loc + figure.state.scale)],
      move: (z) => figure.set({ scale: live.snap(z - figure.state.loc, SCALE.min, SCALE.max, SCALE.step) }),
      value: () => ({ now: figure.state.scale, ...SCALE, text: `standard deviation ${live.format(figure.state.scale)}` }),
    });
    figure.legend(right, [["vl-blue", "pathwise"], ["vl-orange vl-dashed", "score function"], ["vl-ink vl-dotted", "exact"]]);
    const rows = { exact: ["exact", ""], path: ["pathwise", "mean ± standard error"], score: ["score function", "mean ± standard error"] };
    const sliders = figure.row("vl-sliders", 2);
    figure.slider(sliders[0], { key: "loc", label: "mean μ", ...MEAN });
    figure.slider(sliders[0], { key: "scale", label: "width σ", ...SCALE });
    figure.slider(sliders[0], { key: "draws", label: "draws", min: 2, max: noise.length, step: 1, digits: 0 });
    figure.choice(sliders[0], { key: "parameter", label: "Gradient of E[z²] by", choices: { loc: "the mean μ", scale: "the width σ" } });
    const show = figure.values(sliders[1], rows, "Gradient so far");
    figure.says((state) => sentence(state, noise));
    const foot = figure.foot();
    figure.button(foot, "Draw", () => {
      const grow = (share) => figure.set({ draws: Math.round(Math.exp(share * Math.log(noise.length / 2)) * 2) });
      figure.animate(4000, grow);
    });
    figure.onDraw((state) => {
      q.set(SHOWN, SHOWN.map(density));
      noise.slice(0, dots).forEach((value, i) => {
        const z = state.loc + state.scale * value;
        threads[i].set(value, NOISE_LEVEL, z, 0);
        below[i].setAttribute("cx", paths.px(value));
        below[i].setAttribute("cy", paths.py(NOISE_LEVEL));
        above[i].setAttribute("cx", paths.px(z));
        above[i].setAttribute("cy", paths.py(0));
      });
      names[0].set(-4.8, NOISE_LEVEL + 0.12, "ε, held");
      names[1].set(-4.8, 0.12, "z");
      const all = { path: estimates("path", state, noise), score: estimates("score", state, noise) };
      const error = meanAndError(all.score)[1] * Math.sqrt(noise.length / 10);
      const half = live.niceAbove(Math.max(1, 1.6 * error));
      const middle = Math.round(exact(state));
      means.setRange({ y: [middle - half, middle + half] });
      for (const [name, values] of Object.entries(all)) {
        const running = runningMeans(values.slice(0, state.draws));
        const reached = counts.filter((count) => count <= state.draws);
        curves[name].set(reached.map(Math.log10), reached.map((count) => running[count - 1]));
        const [mean, stderr] = meanAndError(values.slice(0, state.draws));
        show({ [name]: `${live.format(mean, 3)} ± ${live.format(stderr, 3)}` });
      }
      show({ exact: live.format(exact(state), 3) });
      truth.set(0, exact(state), means.x[1], exact(state));
      const at = Math.log10(state.draws);
      now.set(at, means.y[0], at, means.y[1]);
    });
  };

  live.define("reparameterized", { numbers: { one, runningMeans, meanAndError, exact, estimates, sentence }, draw });
})();
